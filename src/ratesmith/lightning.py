"""Lightning: a callback that trains as a trial asks, and finding a rate with Lightning's own Trainer."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from ratesmith._extras import needs

with needs("ratesmith.lightning", extra="lightning"):
    try:
        from lightning.pytorch import Callback
        from lightning.pytorch.utilities.types import LRSchedulerConfig
    except ModuleNotFoundError as error:
        try:
            from pytorch_lightning import Callback  # its other name
            from pytorch_lightning.utilities.types import LRSchedulerConfig
        except ModuleNotFoundError:
            raise error from None

from torch.optim import Optimizer

from ratesmith import finder
from ratesmith._checks import Option, OptionTypeError, OptionValueError
from ratesmith._script import ActiveTrial
from ratesmith._trial_callback import checked_trial, measurements, refuse_taken
from ratesmith.finder import FinderError, FinderResult
from ratesmith.torch.attributes import Attributes
from ratesmith.torch.data import is_in_fixed_order
from ratesmith.torch.paused import PausedLoop
from ratesmith.torch.schedule_lr import ScheduleLR
from ratesmith.torch.trainer_task import Ready, TrainerTask, bring
from ratesmith.torch.trial_rates import scheduler_of

__all__ = ["TrialCallback", "find"]

QUIET: Final = {
    "callbacks": [],
    "enable_checkpointing": False,
    "enable_model_summary": False,
    "enable_progress_bar": False,
    "fast_dev_run": False,
    "max_time": None,
    "num_sanity_val_steps": 0,
}
"""Options of a Trainer that a search has as it needs them, whatever the user's are."""
LOSS: Final = "val_loss"
"""What a module calls its loss on validation data, by custom."""
NEVER: Final = sys.maxsize
"""Steps until the module's own schedulers change a rate."""
PREFIXES: Final = ("val_", "val/", "valid_", "valid/", "validation_", "validation/")
"""How the names of measurements on the validation set begin."""


class TrialCallback(Callback):  # type: ignore[misc]  # checked without Lightning
    """Lets a Trainer train as a trial asks: `Trainer(callbacks=[TrialCallback(trial)])`.

    The trial's length takes the place of `max_steps`, `max_epochs` and their least values, and its schedule that of
    every scheduler of `configure_optimizers`. Rates keep their ratio. The module is validated as the Trainer says, and
    always after the last update; what it logs as `val_loss`, `val/acc` and so on is reported as `loss` and `acc`. A run
    that is to end raises TrialStopped out of `fit`. In manual optimization updates of the first optimizer count, and
    training losses are reported if `training_step` returns them.

    Raise TypeError for what is no trial; ValueError for a module without validation, and for a second training.
    """

    def __init__(self, trial: ActiveTrial) -> None:
        """Take the trial, as `ratesmith.get_trial` returns it."""
        self.trial = checked_trial(trial)
        self._scheduler: ScheduleLR | None = None
        self._losses: list[Any] = []
        self._updates = 0

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Set the length, before `configure_optimizers` asks for it."""
        if stage != "fit":
            return
        refuse_taken(self.trial)
        if not trainer.enable_validation:
            raise OptionValueError(
                "TrialCallback: the module must have a validation_step, and fit its data, got none; a trial is judged "
                "by what it logs there"
            )
        if not trainer.fast_dev_run:
            loop = trainer.fit_loop
            loop.max_epochs, loop.min_epochs = -1, None
            loop.epoch_loop.max_steps, loop.epoch_loop.min_steps = self.trial.steps, None

    def on_fit_start(self, trainer: Any, pl_module: Any) -> None:
        """Take the place of the module's schedulers, before a checkpoint is loaded: so our state is loaded too."""
        refuse_taken(self.trial)  # configure_optimizers may have made a scheduler by from_trial
        self._scheduler = scheduler_of(self.trial, trainer.optimizers)
        # For loggers and checkpoints alone: it counts the updates by itself.
        configs = [LRSchedulerConfig(self._scheduler, interval="step", frequency=NEVER)]
        trainer.strategy.lr_scheduler_configs = configs
        if len(trainer.optimizers) > 1 and not trainer.fast_dev_run:
            # Lightning counts the updates of all of them: we end it instead.
            trainer.fit_loop.epoch_loop.max_steps = -1

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Report the update's loss; after the last update, have the module validated and end."""
        assert self._scheduler is not None
        loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
        if loss is not None:
            self._losses.append(loss.detach() if hasattr(loss, "detach") else loss)
        if len(trainer.optimizers) == 1:
            # Updates that a gradient scaler skips count too: with losses that are not finite it would never end else.
            self._scheduler.step_to(trainer.global_step)
        if self._scheduler.last_epoch == self._updates:
            return
        self._updates = self._scheduler.last_epoch
        if self._losses:
            # In automatic optimization Lightning has divided the losses by the number of accumulated batches.
            self.trial.report_train(sum(self._losses) / (1 if pl_module.automatic_optimization else len(self._losses)))
            self._losses.clear()
        if self._updates >= self.trial.steps:
            trainer.should_stop = True
            if trainer.check_val_every_n_epoch is not None:
                trainer.check_val_every_n_epoch = 1

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Report what was measured."""
        if trainer.sanity_checking or self._scheduler is None or trainer.state.fn != "fit":
            return
        measured = measurements(trainer.callback_metrics, PREFIXES)
        if not measured:
            raise OptionValueError(
                "TrialCallback: validation_step must log its loss as val_loss, got "
                f"{', '.join(trainer.callback_metrics) or 'nothing'}; write self.log('val_loss', loss)"
            )
        self.trial.report(step=self._scheduler.last_epoch, **measured)


def find(
    module: Any,
    train: Any = None,
    *,
    datamodule: Any = None,
    validation: Any = None,
    trainer_options: Mapping[str, Any] | None = None,
    method: str | None = None,
    metric: str = LOSS,
    mode: str | None = None,
    **options: Any,
) -> FinderResult:
    """Suggest an initial rate for a LightningModule as it stands, and leave it exactly as it was.

    Lightning's own Trainer trains it: with the module's `training_step`, hooks and `configure_optimizers`, on one
    device. `train`, `validation` and `datamodule` are what `fit` takes. `trainer_options` are those of the Trainer to
    come, by name: `{"accumulate_grad_batches": 4, "gradient_clip_val": 1.0, "precision": "bf16-mixed"}`; callbacks and
    loggers among them are left out. Schedulers sleep, and the optimizers' rates keep their ratio. In manual
    optimization the batches up to an update make one step, and `training_step` must return its loss.

    `method` and `options`, as `pretrained=True`, are those of ratesmith.find. Trainings are judged by what
    `Trainer.validate` measures: by `metric`, which the module logs. `mode` says whether it is better small, "min", or
    large, "max"; it need not be given if the name ends with "loss".

    Raises TypeError for what is no LightningModule, FinderError for a training that cannot be searched.
    """
    package = _package_of(module)
    given = dict(trainer_options or {})
    task = _ModuleTask(package, module, given, {"train_dataloaders": train, "datamodule": datamodule}, validation)
    task.can_measure = not task.lacks()
    must_measure = "steps" in options or metric != LOSS
    if (method or finder.default_method(options)) != "sweep" and (task.can_measure or must_measure):
        options |= {"metric": metric, "mode": "min" if mode is None and metric.endswith("loss") else mode}
        if not {"max_steps", "max_epochs"} & given.keys():
            steps = options.get("steps")
            task.options["max_steps"] = steps if isinstance(steps, int) else -1  # the method says what is wrong
    with _quiet(), task.kept():
        result = finder.find(task, method=method, **options)
    return result.flagged({"unshuffled": task.in_fixed_order, "hooks_asleep": task.hooks_asleep})


class _ModuleTask(TrainerTask):
    in_fixed_order = False
    can_measure = False

    def __init__(
        self, package: Any, module: Any, options: dict[str, Any], data: dict[str, Any], validation: Any
    ) -> None:
        datamodule = data["datamodule"]
        # Optimizers, loaders and generators that are there already, as attributes, have a state to be kept.
        attributes = [value for thing in (module, datamodule) if thing is not None for value in vars(thing).values()]
        held = [value for value in attributes if isinstance(value, Optimizer)]
        super().__init__(module, held, [datamodule], [data["train_dataloaders"], validation, *attributes])
        self.package, self.data, self.validation = package, data, validation
        quiet = {**QUIET, "logger": package.loggers.logger.DummyLogger()}
        self.options = {"devices": 1, **options, **quiet}
        overrides = type(module).configure_callbacks is not package.LightningModule.configure_callbacks
        self.hooks_asleep |= bool(options.get("callbacks")) or overrides

    def trainer(self, **options: Any) -> Any:
        """Return a Trainer with the user's options, and without what would leave a trace."""
        vars(self.model)["configure_callbacks"] = list
        trainer = self.package.Trainer(**{**self.options, **options})
        if trainer.world_size > 1:
            raise FinderError(
                f"find: it must train on one device, got {trainer.world_size}; give trainer_options with devices=1"
            )
        return trainer

    def train(self, seed: int, loop: PausedLoop) -> None:
        """Fit, and wait before each update."""
        trainer = self.trainer(limit_val_batches=0)
        trainer.callbacks.append(_waiting_callback(self.package.Callback, self, loop))
        trainer.fit(self.model, **self.data)

    def lacks(self) -> str:
        """Return what is missing to validate; nothing if all is there."""
        base = self.package.LightningModule
        by_module = type(self.model).val_dataloader is not base.val_dataloader
        if self.validation is None and self.data["datamodule"] is None and not by_module:
            return "find: validation must be given to race or to train a grid, got none; give a loader"
        if type(self.model).validation_step is base.validation_step:
            return "find: the module must have a validation_step to race or to train a grid, got none"
        return ""

    def measure(self) -> dict[str, float]:
        """Validate with a Trainer beside the one that waits, and leave to that one the module as it was."""
        if missing := self.lacks():
            raise FinderError(missing)
        kept, device = Attributes([*self.model.modules(), *self._objects]), next(self.model.parameters()).device
        given = {"dataloaders": self.validation} if self.validation is not None else {}
        given |= {"datamodule": self.data["datamodule"]} if not given else {}
        try:
            measured = self.trainer().validate(self.model, **given, verbose=False)
        finally:
            bring(self.model, device)  # a Trainer that ends takes its module off the GPU
            kept.restore()
        named = {name: value for part in measured for name, value in part.items()}
        if LOSS in named:
            named.setdefault("loss", named[LOSS])  # as all other tasks call it
        return named


def _waiting_callback(base: Any, task: _ModuleTask, loop: PausedLoop) -> Any:
    """Return a callback that waits before each update, and answers with its loss."""

    class Waiting(base):  # type: ignore[misc]  # Lightning is looked for while running
        def on_train_start(self, trainer: Any, module: Any) -> None:
            configs = trainer.lr_scheduler_configs
            for config in configs:
                config.frequency = NEVER
            rates = task.lead(trainer.optimizers, bool(configs), loop)
            task.in_fixed_order = is_in_fixed_order(trainer.train_dataloader)
            per_epoch = -(-trainer.num_training_batches // trainer.accumulate_grad_batches)
            self.rates, self.updates, self.batches = rates, 0, 0
            self.losses: list[float] = []
            self.answer: Any = Ready(rates, int(per_epoch) if per_epoch < NEVER else 1)

        def on_train_batch_start(self, trainer: Any, module: Any, batch: Any, batch_idx: int) -> None:
            # Not at the end of the batch before: by now all hooks that belong to that one have been called.
            if self.answer is not None:
                loop.pause(self.answer)
                self.answer, self.losses, self.batches = None, [], 0
                self.updates = trainer.global_step
            self.rates.set(loop.rate)

        def on_train_batch_end(self, trainer: Any, module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
            loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
            automatic = module.automatic_optimization
            if loss is not None:
                self.losses.append(float(loss))
            elif not automatic:
                raise FinderError(
                    "find: training_step must return its loss in manual optimization, got none; return it"
                )
            self.batches += 1
            # A search may be longer than the training to come, which ends by these two limits.
            if trainer.max_steps <= trainer.global_step:
                trainer.fit_loop.epoch_loop.max_steps = -1
            if trainer.global_step > self.updates and self.losses:
                # In automatic optimization Lightning has divided the losses by the number of accumulated batches.
                self.answer = sum(self.losses) / (1 if automatic else len(self.losses))
            elif self.batches > max(trainer.num_training_batches, trainer.accumulate_grad_batches):
                raise FinderError("find: there must be an update in every epoch, got none; return the losses")

        def on_train_epoch_end(self, trainer: Any, module: Any) -> None:
            if trainer.max_epochs is not None and trainer.max_epochs <= trainer.current_epoch + 1:
                trainer.fit_loop.max_epochs = -1

    return Waiting()


def _package_of(module: Any) -> Any:
    """Return lightning.pytorch, or pytorch_lightning, whichever the module's class is of."""
    for kind in type(module).__mro__:
        if kind.__name__ == "LightningModule":
            package = sys.modules[kind.__module__.partition(".core")[0]]
            assert hasattr(package, "Trainer")
            return package
    raise OptionTypeError(
        "find: ", Option("module"), f" must be a LightningModule, got {type(module).__name__}; give one"
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning from saying for each short training what it says of a whole one."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "pytorch_lightning", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
