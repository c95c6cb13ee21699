"""The doctor: each known miswiring is a small training that says its code, once; a right one says nothing."""

import copy
import gc
import pickle
import warnings

import pytest
import torch
from stepping import go, parameters, update
from torch.optim import lr_scheduler
from torch.optim.swa_utils import SWALR

from ratesmith import Horizon
from ratesmith.torch import ControllerLR, Information, ScheduleLR, Target, tensor_rates
from ratesmith.torch import lr_scheduler as drop_in

UPDATES = 60
IN_UPDATES = Horizon(UPDATES, steps_per_epoch=10)


def sgd(rate=0.1, kind=torch.optim.SGD, **options):
    return kind(parameters(), lr=rate, **options)


def said(training):
    """Return the codes of a training's warnings, in order, and the categories."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        training()
    ours = [warning for warning in caught if "[RS2" in str(warning.message)]
    return [str(warning.message)[-6:-1] for warning in ours], [warning.category for warning in ours]


def step_before_the_update():
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, "cosine()", horizon=UPDATES)
    for _ in range(UPDATES):
        scheduler.step()
        update(optimizer)


def step_at_the_top_of_the_loop_that_clears_gradients():
    optimizer = sgd(kind=torch.optim.AdamW)
    scheduler = ScheduleLR(optimizer, 'warmup("10%") >> cosine()', horizon=UPDATES)
    for _ in range(UPDATES):
        optimizer.zero_grad()
        scheduler.step()
        update(optimizer)


def accumulation_with_a_gradient_scaler(each=4, updates=100):
    """A real scaler, whose first two updates overflow: what it skips is not what is wrong."""
    optimizer = sgd()
    scaler = torch.amp.GradScaler("cpu")
    scheduler = ScheduleLR(optimizer, "linear()", horizon=each * updates)
    weight = optimizer.param_groups[0]["params"][0]
    for batch in range(each * updates):
        scaler.scale((weight * (float("inf") if batch < 2 * each else 1.0)).sum()).backward()
        if batch % each == each - 1:
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
        scheduler.step()


def accumulation(each=4, **options):
    optimizer = sgd(kind=torch.optim.AdamW)
    scheduler = ScheduleLR(optimizer, "linear()", horizon=UPDATES, **options)
    for batch in range(each * 15):
        if batch % each == each - 1:
            update(optimizer)
        scheduler.step()


def a_step_of_the_trainer_and_one_of_a_callback():
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, "linear()", horizon=UPDATES)
    for _ in range(UPDATES // 3):
        update(optimizer)
        scheduler.step()
        scheduler.step()


def once_for_each_of_eight_processes():
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, "linear()", horizon=IN_UPDATES)
    for _ in range(6):
        update(optimizer)
        for _ in range(8):
            scheduler.step()


def once_an_epoch(horizon=IN_UPDATES, schedule="cosine()", epochs=6):
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, schedule, horizon=horizon)
    for _ in range(epochs):
        for _ in range(10):
            update(optimizer)
        scheduler.step()


def beyond_the_horizon(schedule="cosine()", **options):
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, schedule, horizon=UPDATES, **options)
    go(optimizer, scheduler, UPDATES + 20)


def beyond_the_horizon_after_a_load():
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, "linear()", horizon=UPDATES)
    go(optimizer, scheduler, UPDATES)
    states = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
    again = sgd()
    resumed = ScheduleLR(again, "linear()", horizon=UPDATES)
    again.load_state_dict(states[0])
    resumed.load_state_dict(states[1])
    go(again, resumed, 20)


def torchs_beside(make, steps=UPDATES):
    optimizer = sgd()
    other = make(optimizer)
    scheduler = ScheduleLR(optimizer, "cosine()", horizon=UPDATES)
    for _ in range(steps):
        update(optimizer)
        other.step()
        scheduler.step()


def two_of_ours(**options):
    optimizer = sgd()
    first = ScheduleLR(optimizer, "linear()", horizon=UPDATES)
    second = ScheduleLR(optimizer, 'step("50%")', horizon=UPDATES, **options)
    for _ in range(UPDATES):
        update(optimizer)
        first.step()
        second.step()


def in_a_composite(make):
    optimizer = sgd()
    scheduler = make(optimizer)
    go(optimizer, scheduler, UPDATES)


def chained_of_two_of_ours(optimizer):
    return lr_scheduler.ChainedScheduler(
        [ScheduleLR(optimizer, "cosine()", horizon=UPDATES), ScheduleLR(optimizer, 'step("50%")', horizon=UPDATES)]
    )


def a_warmup_by_hand():
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, "cosine()", horizon=UPDATES)
    for batch in range(UPDATES):
        if batch < 10:
            for group in optimizer.param_groups:
                group["lr"] = 0.1 * (batch + 1) / 10
        update(optimizer)
        scheduler.step()


def another_optimizer_trains(**options):
    weights = parameters()
    left = torch.optim.SGD(weights, lr=0.1)
    scheduler = ScheduleLR(left, "cosine()", horizon=UPDATES, **options)
    used = torch.optim.AdamW(weights, lr=0.1)
    go(used, scheduler, UPDATES)


def another_optimizer_trains_all_but_the_first_weight():
    frozen = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    weights = parameters()
    scheduler = ScheduleLR(torch.optim.SGD([frozen, *weights], lr=0.1), "cosine()", horizon=UPDATES)
    used = torch.optim.AdamW(weights, lr=0.1)
    go(used, scheduler, UPDATES)


def the_optimizer_is_replaced_in_mid_run():
    weights = parameters()
    used = torch.optim.SGD(weights, lr=0.1)
    scheduler = ScheduleLR(used, "cosine()", horizon=UPDATES)
    for batch in range(UPDATES):
        if batch == 20:
            used = torch.optim.AdamW(weights, lr=0.1)
        update(used)
        scheduler.step()


class Wrapper(torch.optim.Optimizer):
    """A wrapper as there are some, which has copied the groups of the optimizer that trains."""

    def __init__(self, inner):
        super().__init__([dict(group) for group in inner.param_groups], dict(inner.defaults))
        self.inner = inner

    def step(self, closure=None):
        return self.inner.step(closure)


def a_wrapper_with_groups_of_its_own():
    optimizer = Wrapper(sgd())
    scheduler = ScheduleLR(optimizer, "cosine()", horizon=UPDATES)
    go(optimizer, scheduler, UPDATES)


def built_in_every_epoch():
    optimizer = sgd()
    for _ in range(6):
        scheduler = ScheduleLR(optimizer, "cosine()", horizon=UPDATES)
        go(optimizer, scheduler, 10)


MISWIRINGS = {
    "step before the update": (step_before_the_update, "RS216"),
    "step at the top of the loop": (step_at_the_top_of_the_loop_that_clears_gradients, "RS216"),
    "a step for each of 4 micro-batches": (accumulation, "RS217"),
    "a step for each of 2 micro-batches": (lambda: accumulation(2), "RS217"),
    "a step for each of 32 micro-batches": (lambda: accumulation(32), "RS217"),
    "micro-batches, and a gradient scaler": (accumulation_with_a_gradient_scaler, "RS217"),
    "the trainer steps, and a callback too": (a_step_of_the_trainer_and_one_of_a_callback, "RS217"),
    "a step for each process": (once_for_each_of_eight_processes, "RS217"),
    "a step an epoch, a horizon in updates": (once_an_epoch, "RS218"),
    "a step an epoch, a horizon in tokens": (lambda: once_an_epoch(Horizon(60, tokens_per_step=8)), "RS218"),
    "a step an epoch, a horizon from a loader": (
        lambda: once_an_epoch(Horizon.from_dataloader(range(10), epochs=6)),
        "RS218",
    ),
    "updates beyond the horizon": (beyond_the_horizon, "RS219"),
    "updates beyond the horizon, counted": (lambda: beyond_the_horizon(count_updates=True), "RS219"),
    "a finished run goes on": (beyond_the_horizon_after_a_load, "RS219"),
    "torch's cosine beside it": (lambda: torchs_beside(lambda o: lr_scheduler.CosineAnnealingLR(o, 60)), "RS220"),
    "torch's step beside it": (lambda: torchs_beside(lambda o: lr_scheduler.StepLR(o, 20)), "RS220"),
    "the drop-in beside it": (lambda: torchs_beside(lambda o: drop_in.ExponentialLR(o, 0.9)), "RS220"),
    "two of ours": (two_of_ours, "RS220"),
    "two of ours, one counts": (lambda: two_of_ours(count_updates=True), "RS220"),
    "two of ours in torch's chain": (lambda: in_a_composite(chained_of_two_of_ours), "RS220"),
    "a warm-up written by hand": (a_warmup_by_hand, "RS221"),
    "another optimizer trains": (another_optimizer_trains, "RS215"),
    "another optimizer trains, counted": (lambda: another_optimizer_trains(count_updates=True), "RS215"),
    "another optimizer trains, the first weight is frozen": (
        another_optimizer_trains_all_but_the_first_weight,
        "RS215",
    ),
    "the optimizer is replaced in mid-run": (the_optimizer_is_replaced_in_mid_run, "RS215"),
    "a wrapper that has copied the groups": (a_wrapper_with_groups_of_its_own, "RS222"),
    "built in every epoch": (built_in_every_epoch, "RS223"),
}


def test_a_gradient_scaler_of_another_training_changes_nothing():
    assert said(a_scaler_that_is_left_over) == (["RS217"], [UserWarning])


@pytest.mark.parametrize("name", MISWIRINGS)
def test_a_miswiring_is_said_once_with_its_code(name):
    training, code = MISWIRINGS[name]
    codes, categories = said(training)
    assert codes == [code]
    assert categories == [UserWarning]


def test_a_horizon_that_does_not_know_its_unit_is_told_what_it_lasts_as_information():
    assert said(lambda: once_an_epoch(6)) == (["RS218"], [Information])
    with pytest.warns(
        Information,
        match=r"for each step\(\): this horizon of 6 lasts 60 updates; if it counts updates, step after each \[RS218\]",
    ):
        once_an_epoch(6)
    with pytest.warns(Information, match="this schedule of 6 lasts 60 updates"):
        once_an_epoch(None, "Ramp(1, 0, 6)")
    assert said(lambda: once_an_epoch(None, "Exponential(0.9)")) == ([], []), "it has no length to speak of"


TEXTS = {
    "a step for each of 4 micro-batches": (
        r"step\(\) must be called once for each update, got 4 calls for each: this horizon of 60 lasts 15 updates; "
        r"call it where optimizer.step\(\) is called, or give count_updates=True"
    ),
    "a step an epoch, a horizon in updates": (
        r"step\(\) must be called once for each update, got 10 updates for each call: this horizon of 60 lasts 600 "
        "updates; call it in the inner loop, or give count_updates=True"
    ),
    "updates beyond the horizon": "got an update at rate 0 after all 60 steps; give the horizon the length",
    "torch's cosine beside it": "one scheduler must set 'lr', got CosineAnnealingLR beside it",
    "two of ours": "got another ScheduleLR beside it, of which the last one's value stands; take one out, or multiply",
    "another optimizer trains": r"got \d+ steps and no update of SGD, while the weights changed; give the",
    "a wrapper that has copied the groups": "got Wrapper, whose SGD has groups of its own, which no rate reaches",
    "built in every epoch": "got it for the fourth time on this optimizer, after 10 steps each, and each begins",
}


@pytest.mark.parametrize("name", TEXTS)
def test_the_line_says_what_was_seen_and_what_to_do(name):
    with pytest.warns(UserWarning, match=TEXTS[name]):
        MISWIRINGS[name][0]()


def test_a_warning_points_at_the_users_own_line():
    with pytest.warns(UserWarning, match="RS217") as caught:
        accumulation()
    assert caught[0].filename == __file__


# Right wirings


def plotting():
    """Draw a schedule: there is no update, and nothing trains."""
    scheduler = ScheduleLR(sgd(), 'warmup("10%") >> cosine()', horizon=UPDATES)
    for _ in range(200):
        scheduler.step()


def stepped_up_to_where_it_was():
    """Load the weights, and step up to where the run was: an idiom of scripts that save no scheduler."""
    optimizer = sgd(kind=torch.optim.AdamW)
    scheduler = ScheduleLR(optimizer, "cosine()", horizon=UPDATES)
    with torch.no_grad():
        optimizer.param_groups[0]["params"][0].copy_(torch.zeros(2))
    for _ in range(25):
        scheduler.step()
    for _ in range(UPDATES - 25):
        update(optimizer)
        scheduler.step()


def scaled(skipped, unscaled=False):
    """Train with a gradient scaler, whose first updates overflow; it is a real one, and the test sets its gradients."""
    optimizer = sgd()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    scheduler = ScheduleLR(optimizer, "cosine()", horizon=UPDATES)
    for batch in range(UPDATES):
        weight = optimizer.param_groups[0]["params"][0]
        loss = (weight * (float("inf") if batch < skipped else 1.0)).sum()
        scaler.scale(loss).backward()
        if unscaled:
            scaler.unscale_(optimizer)
        scaler.step(optimizer)
        scaler.update()
        optimizer.zero_grad()
        scheduler.step()
    assert scaler.get_scale() == 2.0 ** (16 - skipped)


def a_scaler_that_is_left_over():
    """A scaler that lives, and serves another training, does not keep the doctor from speaking."""
    scaler = torch.amp.GradScaler("cpu")
    accumulation()
    assert scaler.is_enabled()


def chained(optimizer):
    return lr_scheduler.ChainedScheduler(
        [ScheduleLR(optimizer, "cosine()", horizon=UPDATES), lr_scheduler.ExponentialLR(optimizer, 0.99)]
    )


def sequence(optimizer):
    parts = [ScheduleLR(optimizer, "Ramp(0.1, 1, 9)"), ScheduleLR(optimizer, "cosine()", horizon=UPDATES - 9)]
    return lr_scheduler.SequentialLR(optimizer, parts, [9])


def sequence_with_torchs(optimizer):
    parts = [lr_scheduler.LinearLR(optimizer, 0.1, total_iters=9), ScheduleLR(optimizer, "cosine()", horizon=51)]
    return lr_scheduler.SequentialLR(optimizer, parts, [9])


def a_plateau_of_torchs_beside():
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, "cosine()", horizon=UPDATES)
    plateau = lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=0)
    for _ in range(UPDATES):
        update(optimizer)
        scheduler.step()
        plateau.step(1.0)


def a_rate_set_by_hand_now_and_then():
    optimizer = sgd()
    unused = lr_scheduler.StepLR(optimizer, 5)
    scheduler = ScheduleLR(optimizer, "cosine()", horizon=UPDATES)
    for batch in range(UPDATES):
        update(optimizer)
        scheduler.step()
        if batch % 10 == 5:
            optimizer.param_groups[0]["lr"] *= 0.5
    assert unused.last_epoch == 0


def averaged_at_the_end():
    optimizer = sgd()
    scheduler, averaging = ScheduleLR(optimizer, "cosine()", horizon=UPDATES), None
    for batch in range(UPDATES):
        update(optimizer)
        if batch < 40:
            scheduler.step()
        else:
            averaging = averaging or SWALR(optimizer, swa_lr=0.05)
            averaging.step()


def built_again_in_a_notebook():
    optimizer = sgd()
    for _ in range(3):
        scheduler = ScheduleLR(optimizer, "cosine()", horizon=UPDATES)
        go(optimizer, scheduler, 20)


def built_again_for_each_cycle():
    optimizer = sgd()
    for _ in range(6):
        scheduler = ScheduleLR(optimizer, "cosine()", horizon=10)
        go(optimizer, scheduler, 10)


def counted_wherever_it_stands():
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, "cosine()", horizon=IN_UPDATES, count_updates=True)
    for _ in range(6):
        for _ in range(10):
            update(optimizer)
        scheduler.step()


def two_optimizers_that_take_turns():
    first, second = sgd(), sgd(0.2)
    scheduler = ScheduleLR([first, second], "cosine()", horizon=UPDATES)
    for batch in range(UPDATES):
        update(first if batch % 3 == 0 else second)
        scheduler.step()


def a_rate_that_does_not_end_at_zero():
    beyond_the_horizon("cosine(final=0.1)")


def a_plateau_that_is_told_every_epoch():
    optimizer = sgd()
    scheduler = ControllerLR(optimizer, "plateau(patience=1)")
    for _ in range(12):
        for _ in range(5):
            update(optimizer)
        scheduler.step(1.0)


def fast_updates_in_one_closure():
    weights = parameters()
    optimizer = torch.optim.LBFGS(weights, lr=0.5, max_iter=4)
    scheduler = ScheduleLR(optimizer, "linear()", horizon=20)

    def closure():
        optimizer.zero_grad()
        loss = weights[0].square().sum()
        loss.backward()
        return loss

    for _ in range(20):
        optimizer.step(closure)
        scheduler.step()


def a_step_that_a_kernel_library_has_replaced():
    """An instance's own step, as kernel libraries and some engines put it there, calls no hooks."""
    optimizer = sgd()

    def step(closure=None):
        with torch.no_grad():
            for weight in optimizer.param_groups[0]["params"]:
                weight.sub_(weight.grad, alpha=optimizer.param_groups[0]["lr"])

    optimizer.step = step
    scheduler = ScheduleLR(optimizer, "cosine()", horizon=UPDATES)
    go(optimizer, scheduler, UPDATES)


def compiled():
    optimizer = sgd()
    tensor_rates(optimizer)
    scheduler = ScheduleLR(optimizer, "cosine()", horizon=20)
    step = torch.compile(optimizer.step, backend="eager")
    for _ in range(20):
        optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
        step()
        scheduler.step()


def several_keys_by_turns():
    optimizer = sgd(weight_decay=0.1)
    scheduler = ScheduleLR(optimizer, "linear()", Target("linear()", "weight_decay"), horizon=UPDATES)
    for batch in range(20):
        optimizer.param_groups[0]["lr" if batch % 2 else "weight_decay"] *= 0.9
        update(optimizer)
        scheduler.step()


def something_between_an_update_and_its_step(happen, at=20):
    optimizer = sgd(kind=torch.optim.AdamW)
    scheduler = ScheduleLR(optimizer, "cosine()", horizon=UPDATES)
    for batch in range(UPDATES):
        update(optimizer)
        if batch == at:
            optimizer, scheduler = happen(optimizer, scheduler)
        scheduler.step()


def made_longer(optimizer, scheduler):
    scheduler.extend(UPDATES + 10)
    return optimizer, scheduler


def assigned(optimizer, scheduler):
    scheduler.optimizer = optimizer
    return optimizer, scheduler


def rolled_back(optimizer, scheduler):
    scheduler.load_state_dict(scheduler.state_dict())
    return optimizer, scheduler


def built_anew(optimizer, scheduler):
    return optimizer, ScheduleLR(optimizer, "linear()", horizon=UPDATES)


class SAM(torch.optim.Optimizer):
    """Sharpness-aware minimisation as it is usually written: the optimizer inside has the same groups, and updates."""

    def __init__(self, weights, base, **options):
        super().__init__(weights, {"rho": 0.05, **options})
        self.base_optimizer = base(self.param_groups, **options)
        self.param_groups = self.base_optimizer.param_groups

    @torch.no_grad()
    def first_step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                self.state[weight]["rise"] = rise = 0.05 * weight.grad
                weight.add_(rise)

    @torch.no_grad()
    def second_step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                weight.sub_(self.state[weight]["rise"])
        self.base_optimizer.step()

    def step(self, closure=None):
        raise NotImplementedError


def sharpness_aware():
    optimizer = SAM(parameters(), torch.optim.SGD, lr=0.1)
    scheduler = ScheduleLR(optimizer, "cosine()", horizon=UPDATES)
    for _ in range(UPDATES):
        optimizer.param_groups[0]["params"][0].grad = torch.ones(2)
        optimizer.first_step()
        optimizer.second_step()
        scheduler.step()


class Handing(Wrapper):
    """A wrapper that hands its rates on when it steps, scaled."""

    def step(self, closure=None):
        for outer, inner in zip(self.param_groups, self.inner.param_groups, strict=True):
            inner["lr"] = 0.2 * outer["lr"]
        return self.inner.step(closure)


def a_wrapper_that_hands_its_rates_on():
    optimizer = Handing(sgd())
    scheduler = ScheduleLR(optimizer, 'warmup("10%") >> cosine()', horizon=UPDATES)
    go(optimizer, scheduler, UPDATES)


def a_group_that_no_target_sets():
    optimizer = torch.optim.SGD([{"params": parameters()}, {"params": parameters()}], lr=0.1)
    scheduler = ScheduleLR(optimizer, Target("linear()", groups=[0]), horizon=UPDATES)
    go(optimizer, scheduler, 2 * UPDATES)


def gradual_unfreezing():
    optimizer = torch.optim.SGD([{"params": parameters(), "lr": 0.0} for _ in range(8)], lr=0.1)
    scheduler = ScheduleLR(optimizer, "Exponential(0.95)")
    for epoch in range(8):
        optimizer.param_groups[-1 - epoch]["lr"] = 0.1
        update(optimizer)
        scheduler.step()


def a_new_one_for_each_task():
    optimizer = sgd()
    for _ in range(6):
        scheduler = ScheduleLR(optimizer, "warmup(5) >> constant()")
        go(optimizer, scheduler, 10)


def drawn_in_a_notebook():
    optimizer = sgd()
    for _ in range(8):
        scheduler = ScheduleLR(optimizer, "cosine()", horizon=UPDATES)
        for _ in range(30):
            scheduler.step()


def two_of_ours_that_take_turns():
    optimizer = sgd()
    first = ScheduleLR(optimizer, "Exponential(0.99)")
    second = ScheduleLR(optimizer, "Exponential(0.98)")
    for scheduler, updates in ((first, 4), (second, 4), (first, 3), (second, 20)):
        go(optimizer, scheduler, updates)


class OfSubclass(torch.optim.AdamW):
    def step(self, closure=None):
        return super().step(closure)


def a_subclass_that_calls_its_base(**options):
    """Torch calls the hooks of both steps, once the base has been made by itself."""
    sgd(kind=torch.optim.AdamW)
    optimizer = OfSubclass(parameters(), lr=0.1)
    scheduler = ScheduleLR(optimizer, "cosine()", horizon=UPDATES, **options)
    go(optimizer, scheduler, UPDATES)
    assert scheduler.last_epoch == UPDATES


def two_that_train_at_different_paces():
    slow, fast = sgd(), sgd(0.2)
    scheduler = ScheduleLR([slow, fast], "cosine()", horizon=Horizon(UPDATES, steps_per_epoch=10))
    for _ in range(UPDATES):
        update(slow)
        for _ in range(5):
            update(fast)
        scheduler.step()


RIGHT = {
    "made longer before a step": lambda: something_between_an_update_and_its_step(made_longer),
    "its optimizer is assigned": lambda: something_between_an_update_and_its_step(assigned, at=5),
    "several keys are set by hand by turns": several_keys_by_turns,
    "rolled back before a step": lambda: something_between_an_update_and_its_step(rolled_back),
    "copied before a step": lambda: something_between_an_update_and_its_step(lambda *both: copy.deepcopy(both)),
    "built before its first step": lambda: something_between_an_update_and_its_step(built_anew),
    "sharpness-aware": sharpness_aware,
    "a wrapper that hands its rates on": a_wrapper_that_hands_its_rates_on,
    "a group that no target sets": a_group_that_no_target_sets,
    "gradual unfreezing": gradual_unfreezing,
    "a new one for each task": a_new_one_for_each_task,
    "drawn in a notebook": drawn_in_a_notebook,
    "two of ours that take turns": two_of_ours_that_take_turns,
    "a subclass that calls its base": a_subclass_that_calls_its_base,
    "a subclass that calls its base, counted": lambda: a_subclass_that_calls_its_base(count_updates=True),
    "two that train at different paces": two_that_train_at_different_paces,
    "a schedule is drawn": plotting,
    "stepped up to where it was": stepped_up_to_where_it_was,
    **{f"a gradient scaler skips {k}": (lambda k=k: scaled(k)) for k in (0, 1, 2, 5, 16, 20)},
    "a gradient scaler, unscaled for clipping": lambda: scaled(3, unscaled=True),
    "chained with torch's": lambda: in_a_composite(chained),
    "a sequence of ours": lambda: in_a_composite(sequence),
    "a sequence after torch's": lambda: in_a_composite(sequence_with_torchs),
    "torch's plateau beside": a_plateau_of_torchs_beside,
    "set by hand now and then": a_rate_set_by_hand_now_and_then,
    "averaged at the end": averaged_at_the_end,
    "built again in a notebook": built_again_in_a_notebook,
    "built again for each cycle": built_again_for_each_cycle,
    "counted, stepped once an epoch": counted_wherever_it_stands,
    "counted, micro-batches": lambda: accumulation(count_updates=True),
    "two optimizers that take turns": two_optimizers_that_take_turns,
    "beyond the horizon at a rate": a_rate_that_does_not_end_at_zero,
    "a plateau told every epoch": a_plateau_that_is_told_every_epoch,
    "a step that calls no hooks": a_step_that_a_kernel_library_has_replaced,
    "a compiled update": compiled,
    "L-BFGS": fast_updates_in_one_closure,
}


@pytest.mark.parametrize("name", RIGHT)
def test_a_right_wiring_says_nothing(name):
    assert said(RIGHT[name]) == ([], [])


# Where the doctor goes


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
def test_a_copy_has_a_doctor_of_its_own(copied):
    optimizer = sgd()
    pair = copied((optimizer, ScheduleLR(optimizer, "linear()", horizon=UPDATES)))

    def often(optimizer, scheduler):
        for _ in range(20):
            update(optimizer)
            scheduler.step()
            scheduler.step()

    assert said(lambda: often(*pair))[0] == ["RS217"]
    assert said(lambda: often(*copied(pair)))[0] == [], "it was said"


def test_the_doctor_keeps_nothing_alive_and_leaves_no_hooks_behind():
    optimizer = sgd()
    for _ in range(50):
        ScheduleLR(optimizer, "linear()", horizon=UPDATES)
    gc.collect()
    ScheduleLR(optimizer, "linear()", horizon=UPDATES)
    assert len(optimizer._optimizer_step_post_hooks) == 1
    gc.collect()
    assert not [thing for thing in gc.get_objects() if type(thing) is ScheduleLR and thing.optimizer is optimizer]


def test_an_optimizer_without_hooks_has_a_scheduler_without_a_doctor():
    class Bare(torch.optim.SGD):
        def __init__(self, weights):
            super().__init__(weights, lr=0.1)
            del self._optimizer_step_post_hooks, self._optimizer_step_pre_hooks

        def step(self):
            for group in self.param_groups:
                for weight in group["params"]:
                    weight.data -= group["lr"] * weight.grad

        step.hooked = True  # so torch wraps nothing round it

    optimizer = Bare(parameters())
    scheduler = ScheduleLR(optimizer, "linear()", horizon=10)
    for _ in range(10):
        for weight in optimizer.param_groups[0]["params"]:
            weight.grad = torch.ones_like(weight)
        optimizer.step()
        scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 0.0


def test_a_run_that_is_made_longer_at_its_end_is_not_said_to_have_ended():
    def longer():
        first = sgd()
        scheduler = ScheduleLR(first, "linear()", horizon=10)
        go(first, scheduler, 10)
        again = sgd()
        again.load_state_dict(first.state_dict())
        resumed = ScheduleLR(again, "linear()", horizon=10)
        resumed.extend(20)
        go(again, resumed, 10)
        assert (resumed.last_epoch, again.param_groups[0]["lr"]) == (20, 0.0)

    assert said(longer) == ([], [])


def test_the_length_that_is_told_is_that_of_the_longer_run():
    optimizer = sgd()
    scheduler = ScheduleLR(optimizer, "linear()", horizon=Horizon(60, steps_per_epoch=10))
    scheduler.extend(90)

    def train():
        for _ in range(6):
            for _ in range(10):
                update(optimizer)
            scheduler.step()

    with pytest.warns(UserWarning, match="this horizon of 90 lasts 900 updates"):
        train()
