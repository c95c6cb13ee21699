"""One training step and one measurement, for tasks and for finding a rate: as a user's own loop makes them.

How a batch becomes a loss is decided here, in one place: what of it goes to the model, what the output is compared
with, and whose loss it is.
"""

from __future__ import annotations

import inspect
import itertools
import math
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ratesmith._checks import Option, OptionTypeError, OptionValueError
from ratesmith._random_states import preserve_rng_state, seed_all
from ratesmith._text import shortened
from ratesmith.task import is_out_of_memory
from ratesmith.torch.batch import moved, samples_in
from ratesmith.torch.chance import is_below_chance
from ratesmith.torch.group_rates import GroupRates
from ratesmith.torch.loop_options import IGNORED, LoopOptions
from ratesmith.torch.optimizer_modes import evaluating


class Loop:
    """A model with its optimizers: it makes updates and measures, and knows nothing of where batches come from."""

    def __init__(
        self,
        options: LoopOptions,
        model: nn.Module,
        optimizers: Sequence[Optimizer],
        *,
        scaler: Any = None,
        average: Any = None,
        led_by: Optimizer | None = None,
    ) -> None:
        """Take what is trained; `average` is a running average of the weights, which is then what is measured."""
        self.options, self.model, self.optimizers = options, model, list(optimizers)
        self.scaler = scaler if scaler is not None and scaler.is_enabled() else None
        self.average = average
        self.rates = GroupRates(options.who, self.optimizers, led_by)
        self.device = next((weight.device for weight in model.parameters()), torch.device("cpu"))
        self.began_below_chance: bool | None = None
        """Whether the first loss was far below that of a guess; None before the first update."""
        self._samples: int | None = None
        """Samples in the batch that is worked on, for messages."""
        self._loss_takes_model = _takes_model(options.loss)
        self._takes = _most_arguments(model)

    def step(self, lr: float, draw: Callable[[], Any]) -> float:
        """Make one update at a rate, from as many batches as are accumulated, and return the mean loss before it.

        If gradients are scaled, the scaler may skip the update, as it would in the user's own loop.
        """
        try:
            return self._step(lr, draw)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            message = self._short_of_memory("an update", error)
        raise MemoryError(message)  # out here the first error is gone, and with it the tensors that it held

    def _step(self, lr: float, draw: Callable[[], Any]) -> float:
        options = self.options
        self.rates.set(lr)
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        total = 0.0
        for _ in range(options.accumulate):
            self._samples = None
            drawn = draw()
            self._samples = samples_in(drawn)
            batch = moved(drawn, self.device)
            with options.autocast():
                loss, output, target = self.loss(batch)
                if self.began_below_chance is None:
                    self.began_below_chance = is_below_chance(loss, output, target, of_model=options.loss is None)
                if options.accumulate > 1:
                    loss = loss / options.accumulate
            (self.scaler.scale(loss) if self.scaler else loss).backward()
            total += loss.item()
        if options.clip_norm is not None:
            if self.scaler:
                for optimizer in self.optimizers:
                    self.scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), options.clip_norm)
        for optimizer in self.optimizers:
            if self.scaler:
                self.scaler.step(optimizer)
            else:
                optimizer.step()
        if self.scaler:
            self.scaler.update()
        if self.average is not None:
            self.average.update_parameters(self.model)
        return total

    def measure(self, batches: Generator[Any, None, None], most: int | None = None) -> dict[str, float]:
        """Return the loss and the metrics over all batches, or the first ones, at `most` so many.

        Flags and random states are left as they were.

        The loss is the mean of the batches' losses, each weighted by its samples, its tokens or what the user says.
        """
        try:
            return self._measure(batches, most)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            message = self._short_of_memory("a measurement", error)
        raise MemoryError(message)

    def _short_of_memory(self, what: str, error: Exception) -> str:
        """Return what memory did not suffice for, and what to do."""
        size = f" with a batch of {self._samples} samples" if self._samples else ""
        return (
            f"{self.options.who}: memory must suffice for {what}{size}, got {shortened(error)}; give smaller batches "
            "(accumulate= makes updates of several), or let fewer trainings and workers run at a time"
        )

    def _measure(self, batches: Generator[Any, None, None], most: int | None = None) -> dict[str, float]:
        options = self.options
        model = self.model if self.average is None else self.average
        total, weights = 0.0, 0.0
        streams = {name: metric for name, metric in options.metrics.items() if hasattr(metric, "update")}
        functions = {name: metric for name, metric in options.metrics.items() if name not in streams}
        by_model = {name: metric for name, metric in functions.items() if _takes_model(metric)}
        means = dict.fromkeys(by_model, 0.0)
        outputs: list[Any] = []
        targets: list[Any] = []
        for metric in streams.values():
            metric.reset()
        with (
            preserve_rng_state(),
            self._evaluating(model),
            torch.no_grad(),
            options.autocast(),
            # At once and not when its memory is freed: it puts generators back.
            closing(batches),
        ):
            seed_all(0)  # what is drawn here is drawn alike at each measurement
            self._samples = None
            for drawn in itertools.islice(batches, most):
                self._samples = samples_in(drawn)
                batch = moved(drawn, self.device)
                loss, output, target = self.loss(batch, model, bool(streams) or len(functions) > len(by_model))
                weight = self._weight(batch, target)
                if weight:  # the mean over nothing is NaN
                    total, weights = total + weight * loss.item(), weights + weight
                    for name, metric in by_model.items():
                        means[name] += weight * float(metric(model, batch))
                for metric in streams.values():
                    metric.update(output, target)
                if len(functions) > len(by_model):
                    outputs.append(_kept(output))
                    targets.append(_kept(target))
            if not weights:
                raise OptionValueError(f"{options.who}: there must be something to measure on, got none; give data")
            measured = {"loss": total / weights}
            joined = (self._joined(outputs), self._joined(targets)) if outputs else None
            for name, metric in options.metrics.items():
                if name in by_model:
                    measured[name] = means[name] / weights
                elif name in streams:
                    measured[name] = float(metric.compute())
                elif joined is not None:
                    measured[name] = float(metric(*joined))
        return measured

    def loss(self, batch: Any, model: Any = None, want_output: bool = False) -> tuple[Tensor, Any, Any]:
        """Return a batch's loss, the model's output and what that is compared with (the last two if there are any)."""
        model = self.model if model is None else model
        loss = self.options.loss
        if loss is not None and self._loss_takes_model:
            output, target = self._output(model, batch) if want_output else (None, batch)
            return self._sound(loss(model, batch)), output, target
        output, target = self._output(model, batch)
        return self._sound(self._own_loss(output) if loss is None else loss(output, target)), output, target

    def _output(self, model: Any, batch: Any) -> tuple[Any, Any]:
        """Return the model's output for a batch, and what it is compared with.

        A dict goes to the model by name, and is the target as a whole. Of a tuple the last part is the target and those
        before it go to the model; a model that has a loss of its own is given the target too, if it takes it.
        """
        try:
            return self._called(model, batch)
        except TypeError as error:
            # The model was called with other arguments than it takes; an error from within it goes through.
            if error.__traceback__ is None or "forward()" not in str(error):
                raise
            raise OptionTypeError(
                f"{self.options.who}: the model must take what a batch holds, got {error}; give ",
                Option("forward="),
                ", a function of model and batch",
            ) from error

    def _called(self, model: Any, batch: Any) -> tuple[Any, Any]:
        if self.options.forward is not None:
            several = isinstance(batch, (tuple, list)) and len(batch) > 1
            return self.options.forward(model, batch), batch[-1] if several else batch
        if isinstance(batch, Mapping):
            return model(**batch), batch
        if not isinstance(batch, (tuple, list)):
            return model(batch), batch
        if len(batch) == 1:
            return model(batch[0]), batch[0]
        whole_batch = self.options.loss is None and self._takes >= len(batch)
        return model(*(batch if whole_batch else batch[:-1])), batch[-1]

    def _own_loss(self, output: Any) -> Any:
        """Return the loss that a model gives itself: `.loss`, `["loss"]`, or the one number in a tuple."""
        if isinstance(output, Mapping) and "loss" in output:
            return output["loss"]
        if isinstance(getattr(output, "loss", None), Tensor):
            return output.loss
        if isinstance(output, (tuple, list)):
            numbers = [part for part in output if isinstance(part, Tensor) and part.dim() == 0]
            if len(numbers) == 1:
                return numbers[0]
        raise OptionTypeError(
            f"{self.options.who}: ",
            Option("loss"),
            f" must be given where the model gives none, got output {type(output).__name__}; "
            "give a function of output and target",
        )

    def _sound(self, loss: Any) -> Tensor:
        """Return the loss, if it is one number for the batch."""
        start = (f"{self.options.who}: ", Option("loss"))
        if not isinstance(loss, Tensor):
            raise OptionTypeError(
                *start,
                f" must return a tensor, got {type(loss).__name__}; return the loss that backward() is called on",
            )
        if loss.numel() != 1:
            raise OptionValueError(
                *start,
                f" must be one number for the batch, got a tensor of shape {tuple(loss.shape)}; return its mean, as "
                "reduction='mean' does",
            )
        if torch.is_grad_enabled() and not loss.requires_grad:
            raise OptionValueError(
                *start,
                " must depend on weights that are trained, got one that does not; see detach, no_grad and frozen "
                "weights",
            )
        return loss if loss.dim() == 0 else loss.reshape(())

    def _weight(self, batch: Any, target: Any) -> float:
        """Return what a batch's loss counts for: the number that it is a mean over."""
        if callable(self.options.loss_weight):
            return float(self.options.loss_weight(batch))
        if self.options.loss_weight == "samples":
            return samples_in(batch)
        labels = target.get("labels") if isinstance(target, Mapping) else target
        if not isinstance(labels, Tensor):
            raise OptionTypeError(
                f"{self.options.who}: ",
                Option("loss_weight"),
                f" 'tokens' needs a tensor of targets, got {type(labels).__name__}; give a function of the batch that "
                "returns their number",
            )
        return int((labels != IGNORED).sum())

    @contextmanager
    def _evaluating(self, model: Any) -> Iterator[None]:
        """Put model and optimizers into evaluation, and back: a part that was frozen in evaluation stays so."""
        flags = [(module, module.training) for module in (*self.model.modules(), *model.modules())]
        model.eval()
        try:
            with evaluating(self.optimizers):
                yield
        finally:
            if any(flag for _, flag in flags):
                model.train()  # a model may do more in it than set the flag
            for module, flag in flags:
                module.training = flag

    def _joined(self, parts: list[Any]) -> Any:
        """Return outputs or targets of all batches as one, whatever they are made of."""
        first = parts[0]
        if isinstance(first, Tensor):
            if first.dim() == 0:
                return torch.stack(parts)
            try:
                return torch.cat(parts)
            except RuntimeError:
                raise OptionTypeError(
                    f"{self.options.who}: ",
                    Option("metrics"),
                    " need outputs and targets of one shape, to be joined over the whole set, got several; give an "
                    "object with update and compute, or BatchMean(function) if a mean over batches is meant",
                ) from None
        if isinstance(first, Mapping):
            values = {key: self._joined([part[key] for part in parts]) for key in first}
            try:
                return type(first)(**values)
            except Exception:  # a mapping of another making
                return values
        if isinstance(first, (tuple, list)):
            columns = [self._joined(list(column)) for column in zip(*parts, strict=True)]
            return type(first)(*columns) if hasattr(first, "_fields") else type(first)(columns)
        return first if all(part is None for part in parts) else parts


def _kept(value: Any) -> Any:
    """Return an output or a target on the processor's side, in memory of its own."""
    return moved(value, torch.device("cpu"), copied=True)


def _takes_model(function: Any) -> bool:
    """Whether the function's first two parameters are called `model` and `batch`."""
    try:
        return list(inspect.signature(function).parameters)[:2] == ["model", "batch"]
    except (TypeError, ValueError):  # written in C
        return False


def _most_arguments(model: nn.Module) -> float:
    """Return how many arguments a model's forward takes by their places."""
    try:
        parameters = inspect.signature(getattr(model, "_orig_mod", model).forward).parameters.values()
    except (TypeError, ValueError):
        return math.inf
    kinds = [parameter.kind for parameter in parameters]
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        return math.inf
    return sum(kind in (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD) for kind in kinds)
