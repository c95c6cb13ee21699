"""Hugging Face's Trainer: a callback that trains as a trial asks, and finding a rate with the Trainer's own loop."""

from __future__ import annotations

import copy
import sys
from collections.abc import Mapping
from typing import Any, Final

from ratesmith._extras import needs

with needs("ratesmith.transformers", extra="transformers"):
    import transformers
with needs("ratesmith.transformers", extra="transformers"):
    import accelerate  # noqa: F401  # the Trainer needs it

from transformers import TrainerCallback, TrainerControl
from transformers.trainer_callback import CallbackHandler, DefaultFlowCallback
from transformers.trainer_utils import IntervalStrategy

from ratesmith import finder
from ratesmith._checks import Option, OptionTypeError, OptionValueError
from ratesmith._script import ActiveTrial
from ratesmith._trial_callback import checked_trial, measurements, refuse_taken
from ratesmith.finder import FinderError, FinderResult
from ratesmith.torch.data import is_in_fixed_order
from ratesmith.torch.group_rates import unwrapped
from ratesmith.torch.paused import PausedLoop
from ratesmith.torch.schedule_lr import ScheduleLR
from ratesmith.torch.trainer_task import Ready, TrainerTask
from ratesmith.torch.trial_rates import scheduler_of

__all__ = ["TrialCallback", "find"]

QUIET: Final = {
    "disable_tqdm": True,
    "eval_on_start": False,
    "load_best_model_at_end": False,
    "push_to_hub": False,
}
"""Arguments that a search has as it needs them, whatever the user's are: it leaves no file and no line."""
SPEEDS: Final = ("runtime", "samples_per_second", "steps_per_second", "model_preparation_time")
"""What an evaluation measures of itself."""


class TrialCallback(TrainerCallback):  # type: ignore[misc]  # checked without transformers
    """Lets a Trainer train as a trial asks: `Trainer(..., callbacks=[TrialCallback(trial)])`.

    The trial's length, rate and seed take the place of `max_steps`, `learning_rate`, `seed` and `data_seed` in the
    trainer's arguments, and its schedule that of any scheduler, whatever `lr_scheduler_type` says. Groups of an
    optimizer of yours keep the ratio of their rates. The model is evaluated as `eval_strategy` says, or else after each
    epoch, and always after the last update; `eval_loss` is reported as `loss`, and so on. A run that is to end raises
    TrialStopped out of `train`. Under a launcher every rank has the callback.

    A model that exists before the trainer is the script's to seed, with `trial.seed`.

    Raise TypeError for what is no trial; ValueError for a trainer without an eval_dataset, with DeepSpeed, or with
    auto_find_batch_size, and for a second training.
    """

    def __init__(self, trial: ActiveTrial) -> None:
        """Take the trial, as `ratesmith.get_trial` returns it."""
        self.trial = checked_trial(trial)
        self._trainer: Any = None
        self._scheduler: ScheduleLR | None = None
        self._losses: list[Any] = []
        self._measured: dict[str, Any] = {}
        self._evaluations, self._evaluated_at = 0, -1
        self._training = self._trained = False

    def on_init_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write the trial into the arguments, which the trainer reads when it trains."""
        for name in ("deepspeed", "auto_find_batch_size"):
            if getattr(args, name, None):
                raise OptionValueError(
                    "TrialCallback: ", Option(name), f" must be left out, got {getattr(args, name)!r}; train without it"
                )
        refuse_taken(self.trial)
        trainer = self._trainer = _trainer_that_calls()
        args.max_steps, args.learning_rate, args.seed = self.trial.steps, self.trial.lr, self.trial.seed
        if args.data_seed is not None:  # it alone would decide the order
            args.data_seed = trainer.accelerator.dataloader_config.data_seed = self.trial.seed
        if args.eval_strategy == IntervalStrategy.NO:
            args.eval_strategy = IntervalStrategy.EPOCH
        # The trainer has seeded with the number that its arguments had before.
        (transformers.enable_full_determinism if args.full_determinism else transformers.set_seed)(self.trial.seed)
        trainer.create_scheduler = self._create_scheduler
        replaced = type(trainer).get_eval_dataloader is not transformers.Trainer.get_eval_dataloader
        if trainer.eval_dataset is None and not replaced:
            raise OptionValueError(
                "TrialCallback: ",
                Option("eval_dataset"),
                " must be given to the Trainer, got none; a trial is judged by it",
            )

    def _create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> ScheduleLR:
        """Take the place of the trainer's method: before a checkpoint is loaded, so that our state is loaded too."""
        optimizer = unwrapped(self._trainer.optimizer if optimizer is None else optimizer)
        if self._trained or self._scheduler is None or self._scheduler.optimizer is not optimizer:
            refuse_taken(self.trial)
            # The trainer logs an update's rate after the update, so counting updates would be a step ahead of it.
            self._scheduler = scheduler_of(self.trial, [optimizer], count_updates=False)
        self._trainer.lr_scheduler = self._scheduler
        return self._scheduler

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Keep the loss of each batch from now on."""
        if self._scheduler is None:
            raise OptionValueError(
                "TrialCallback: ",
                Option("callbacks"),
                " must have it when the Trainer is made, got it later; write Trainer(callbacks=[TrialCallback(trial)])",
            )
        self._training = True
        training_step = self._trainer.training_step

        def recorded(*given: Any, **named: Any) -> Any:
            self._losses.append(loss := training_step(*given, **named))
            return loss

        self._trainer.training_step = recorded

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Report the update's loss, and evaluate after the last update."""
        assert self._scheduler is not None
        # Updates that a gradient scaler skips count too, since the trainer counts them: max_steps is then the end.
        self._scheduler.step_to(state.global_step)
        # The trainer has divided each batch's loss by their number or by that of the tokens.
        self.trial.report_train(sum(self._losses))
        self._losses.clear()
        if state.global_step >= self.trial.steps:
            control.should_evaluate = True

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Leave out an evaluation that the last update has had."""
        if self._evaluated_at == state.global_step:
            control.should_evaluate = False

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: Any = None, **_: Any) -> None:
        """Report what was measured; of several datasets, when the last one has been."""
        if not self._training:
            return
        self._measured |= {
            name: value
            for name, value in measurements(metrics or {}, ["eval_"]).items()
            if isinstance(value, (int, float)) and not name.endswith(SPEEDS)  # compute_metrics may give texts too
        }
        self._evaluations += 1
        datasets = self._trainer.eval_dataset
        if isinstance(datasets, dict) and self._evaluations % len(datasets):
            return
        self._evaluated_at, measured, self._measured = state.global_step, self._measured, {}
        self.trial.report(step=state.global_step, **measured)

    def on_train_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Report nothing that is measured from now on."""
        self._training, self._trained = False, True
        del self._trainer.training_step


def _trainer_that_calls() -> Any:
    """Return the trainer in whose `__init__` this is called: it does not say so, and has its scheduler and its data."""
    frame = sys._getframe()
    while not isinstance(frame.f_locals.get("self"), transformers.Trainer):
        assert frame.f_back is not None  # a Trainer alone calls on_init_end
        frame = frame.f_back
    return frame.f_locals["self"]


def find(trainer: transformers.Trainer, *, method: str | None = None, **options: Any) -> FinderResult:
    """Suggest an initial rate for a Trainer's model as it stands, and leave the trainer exactly as it was.

    A copy of the trainer trains, with everything that it has: `compute_loss`, data and collator, the optimizer or
    `create_optimizer`, accumulation, clipping and precision, as its arguments say. Its scheduler and the callbacks that
    were added to it sleep, and nothing is logged or saved. With `model_init` each training begins with a new model.

    `method` and `options`, as `pretrained=True`, are those of ratesmith.find. Trainings are judged by what
    `evaluate` measures on the trainer's `eval_dataset`: by its loss, or by a `metric` of `compute_metrics`, which then
    needs its `mode`. Under torchrun every rank calls this.

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
        self.hooks_asleep |= any(
            not type(callback).__module__.startswith(("transformers.", "ratesmith.")) for callback in callbacks
        )
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

    @property
    def can_measure(self) -> bool:
        """Whether the trainer has data to evaluate on."""
        replaced = type(self.trainer).get_eval_dataloader is not transformers.Trainer.get_eval_dataloader
        return self.trainer.eval_dataset is not None or replaced

    def measure(self) -> Mapping[str, float]:
        """Evaluate with the copy; a metric has its name with and without "eval_"."""
        if not self.can_measure:
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
