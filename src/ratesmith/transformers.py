"""Finding a rate for a Hugging Face Trainer: its own loop trains, update for update as asked."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from typing import Any, Final

try:
    import accelerate  # noqa: F401  # the Trainer needs it
    import transformers
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"ratesmith.transformers: it needs {error.name}; install transformers and accelerate beside Ratesmith",
        name=error.name,
    ) from None

from transformers import TrainerCallback, TrainerControl
from transformers.trainer_callback import CallbackHandler, DefaultFlowCallback

from ratesmith import finder
from ratesmith._checks import Option, OptionTypeError
from ratesmith.finder import FinderError, FinderResult
from ratesmith.torch.data import is_in_fixed_order
from ratesmith.torch.group_rates import unwrapped
from ratesmith.torch.paused import PausedLoop
from ratesmith.torch.trainer_task import Ready, TrainerTask

__all__ = ["find"]

QUIET: Final = {
    "disable_tqdm": True,
    "eval_on_start": False,
    "load_best_model_at_end": False,
    "push_to_hub": False,
}
"""Arguments that a search has as it needs them, whatever the user's are: it leaves no file and no line."""


def find(trainer: transformers.Trainer, *, method: str = "sweep", **options: Any) -> FinderResult:
    """Suggest an initial rate for a Trainer's model as it stands, and leave the trainer exactly as it was.

    A copy of the trainer trains, with everything that it has: `compute_loss`, data and collator, the optimizer or
    `create_optimizer`, accumulation, clipping and precision, as its arguments say. Its scheduler and the callbacks that
    were added to it sleep, and nothing is logged or saved. With `model_init` each training begins with a new model.

    `method` and `options` are those of ratesmith.find. "race" and "grid" judge by what `evaluate` measures on the
    trainer's `eval_dataset`: by its loss, or by a `metric` of `compute_metrics`, which then needs its `mode`. Under
    torchrun every rank calls this.

    Raises TypeError for what is no Trainer, FinderError for a training that cannot be searched.
    """
    if not isinstance(trainer, transformers.Trainer):
        raise OptionTypeError(
            "find: ", Option("trainer"), f" must be a transformers.Trainer, got {type(trainer).__name__}; give one"
        )
    for name in ("deepspeed", "fsdp"):
        if getattr(trainer, f"is_{name}_enabled", False):
            raise FinderError(
                f"find: each process must hold the whole model, got {name}, which divides it; search without it"
            )
    task = _CopiedTrainerTask(trainer, options.get("steps"))
    with task.kept():
        result = finder.find(task, method=method, **options)
    return result.flagged({"unshuffled": task.in_fixed_order, "hooks_asleep": task.hooks_asleep})


class _CopiedTrainerTask(TrainerTask):
    in_fixed_order = False

    def __init__(self, trainer: Any, steps: Any) -> None:
        optimizer = unwrapped(trainer.optimizer)
        model = trainer.model
        # What the Trainer writes into when it begins: token ids in the configurations, and Accelerate's counters.
        objects = [trainer, trainer.accelerator.gradient_state, *_configurations(model)]
        super().__init__(model, [] if optimizer is None else [optimizer], objects, [])
        self.trainer, self.steps = trainer, steps
        callbacks = trainer.callback_handler.callbacks
        self.hooks_asleep |= any(not type(callback).__module__.startswith("transformers.") for callback in callbacks)
        self.copied = trainer

    def train(self, seed: int, loop: PausedLoop) -> None:
        """Train with a copy of the trainer, and wait before each update."""
        copied = self.copied = copy.copy(self.trainer)
        copied.args = self._arguments(seed)
        copied.create_accelerator_and_postprocess()  # one of its own: it counts, scales and collects
        callback = _Waiting(self, copied, loop)
        handler = CallbackHandler(
            [DefaultFlowCallback], copied.model, getattr(copied, "processing_class", None), copied.optimizer, None
        )
        handler.callbacks = [callback]
        copied.callback_handler, copied.control = handler, TrainerControl()
        copied.training_step = callback.recorded(copied.training_step)
        copied.set_initial_training_values = callback.without_end(copied.set_initial_training_values)
        copied.create_scheduler = callback.asleep
        copied.train()

    def _arguments(self, seed: int) -> Any:
        """Return the trainer's arguments with a seed, and without what leaves files or lines."""
        arguments = copy.copy(self.trainer.args)
        for name, value in QUIET.items():
            setattr(arguments, name, value)
        arguments.seed = seed
        if arguments.data_seed is not None:  # it alone would decide the order
            arguments.data_seed += seed
        if isinstance(self.steps, int):  # if not, the method says what is wrong with it
            arguments.max_steps = self.steps
        arguments.accelerator_config = copy.deepcopy(arguments.accelerator_config)
        if arguments.accelerator_config.gradient_accumulation_kwargs:
            # The Trainer wrote it there itself, and refuses to find it there again.
            arguments.accelerator_config.gradient_accumulation_kwargs.pop("num_steps", None)
        return arguments

    def measure(self) -> Mapping[str, float]:
        """Evaluate with the copy; a metric has its name with and without "eval_"."""
        replaced = type(self.trainer).get_eval_dataloader is not transformers.Trainer.get_eval_dataloader
        if self.trainer.eval_dataset is None and not replaced:
            raise FinderError("find: the trainer must have an eval_dataset to race or to train a grid, got none")
        measured = {name: value for name, value in self.copied.evaluate().items() if isinstance(value, (int, float))}
        return {name.removeprefix("eval_"): value for name, value in measured.items()} | measured


class _Waiting(TrainerCallback):  # type: ignore[misc]  # checked without transformers
    """Waits after each update of a trainer, and answers with its loss."""

    def __init__(self, task: _CopiedTrainerTask, trainer: Any, loop: PausedLoop) -> None:
        """Take the trainer that has this callback, and what the losses are answered to."""
        self.task, self.trainer, self.loop = task, trainer, loop
        self.losses: list[Any] = []
        self.steps_per_epoch = 1

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Say that all is ready, and wait."""
        optimizer = unwrapped(self.trainer.optimizer)
        self.rates = self.task.lead([optimizer], self.task.trainer.lr_scheduler is not None, self.loop)
        loader = self.trainer.callback_handler.train_dataloader
        self.task.in_fixed_order = is_in_fixed_order(getattr(loader, "base_dataloader", loader))
        self.rates.set(self.loop.pause(Ready(self.rates, self.steps_per_epoch)))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Answer with the loss; the Trainer has divided each batch's by their number or by that of the tokens."""
        loss = sum(float(loss) for loss in self.losses)
        self.losses.clear()
        self.rates.set(self.loop.pause(loss))

    def recorded(self, training_step: Any) -> Any:
        """Return a training step that keeps its loss."""

        def step(*given: Any, **named: Any) -> Any:
            self.losses.append(loss := training_step(*given, **named))
            return loss

        return step

    def without_end(self, initial_values: Any) -> Any:
        """Return the function that counts epochs and updates, with epochs without end."""

        def values(*given: Any, **named: Any) -> Any:
            _, self.steps_per_epoch, *others = initial_values(*given, **named)
            return (sys.maxsize, self.steps_per_epoch, *others)

        return values

    def asleep(self, num_training_steps: int, optimizer: Any = None) -> Any:
        """Take the scheduler's place in the trainer."""
        self.trainer.lr_scheduler = self
        return self

    def step(self, *_: Any) -> None:
        """Do nothing, in the scheduler's place."""

    def get_last_lr(self) -> list[float]:
        """Return the rates, in the scheduler's place."""
        return [float(group["lr"]) for group in self.trainer.optimizer.param_groups]


def _configurations(model: Any) -> list[Any]:
    configurations = [getattr(model, name, None) for name in ("config", "generation_config")]
    return [configuration for configuration in configurations if configuration is not None]
