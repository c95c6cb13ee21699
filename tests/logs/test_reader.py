"""Reading a run from its log, and refusing in one line what cannot be a training."""

import json
import math
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from log_files import LOSSES, RATES, SCHEDULE, STEPS, csv, fails, same, write

from ratesmith import Horizon, parse
from ratesmith.logs import read


@pytest.mark.parametrize(
    "names",
    [
        ("step", "lr", "loss"),
        ("global_step", "learning_rate", "train_loss"),
        ("trainer/global_step", "lr-AdamW", "val_loss"),
        ("_step", "train/lr", "eval/loss"),
        ("iter", "optim/learning_rate_group0", "validation loss"),
        ("Step", "a run - train/learning_rate", "a run - eval/loss"),
        ("iteration", "lr/0", "valid_nll"),
        ("num_updates", "Learning Rate", "train/CrossEntropyLoss"),
    ],
)
def test_columns_are_known_by_their_usual_names(tmp_path, names):
    curve = read(csv(tmp_path, names=names))
    same(curve)
    np.testing.assert_allclose(curve.rates[STEPS - 1], RATES)
    assert curve.name == "run"
    assert curve.kind == ("validation" if any(word in names[2] for word in ("val", "eval")) else "training")
    assert curve.optimizer == ("AdamW" if "lr-AdamW" in names else None)


def test_other_columns_do_not_confuse(tmp_path):
    noise = ["lr-AdamW-momentum", "lr-AdamW-weight_decay", "loss_scale", "aux_loss", "z_loss", "min_lr", "epoch"]
    columns = {name: np.full(40, 0.5) for name in noise} | {"step": STEPS, "lr": RATES, "val_loss": LOSSES}
    same(read(write(tmp_path / "run.csv", [*columns], *columns.values())))


def test_sparse_rows_are_put_together(tmp_path):
    half = np.where(np.arange(40) % 2 == 0, np.nan, LOSSES)
    file = csv(tmp_path, LOSSES + 1, names=("step", "lr", "val_loss", "train_loss"), losses=half)
    same(read(file), STEPS[1::2], LOSSES[1::2])
    same(read(file, kind="training"), STEPS, LOSSES + 1)


def test_few_validation_losses_give_way_to_many_training_losses(tmp_path):
    few = np.where(np.arange(40) % 5 == 4, LOSSES, np.nan)
    file = csv(tmp_path, LOSSES + 1, names=("step", "lr", "val_loss", "train_loss"), losses=few)
    assert read(file).kind == "training"
    same(read(file, kind="validation"), STEPS[4::5], LOSSES[4::5])


def test_sparse_rates_are_joined_by_lines_and_a_warmup_reaches_back_to_zero(tmp_path):
    rates = np.interp(STEPS, [0, 40, 400], [0.0, 1e-3, 1e-4])
    curve = read(csv(tmp_path, rates=np.where(np.isin(STEPS, [10, 30, 40, 400]), rates, np.nan)))
    np.testing.assert_allclose(curve.rates, np.interp(np.arange(1, 401), [0, 40, 400], [0.0, 1e-3, 1e-4]))


def test_where_a_warmup_ended_is_found_between_two_logged_rates(tmp_path):
    true = 1e-3 * parse("warmup(105) >> constant()").build(Horizon(400))(np.arange(400))
    curve = read(csv(tmp_path, rates=true[STEPS - 1]))
    np.testing.assert_allclose(curve.rates, true, rtol=1e-3, atol=1e-9)


def test_without_a_warmup_the_first_rate_holds_before_it(tmp_path):
    rates = np.interp(STEPS, [0, 400], [1e-3, 0.0])
    assert (read(csv(tmp_path, rates=rates)).rates[:10] == rates[0]).all()


def test_a_schedule_stands_for_rates_that_were_not_logged(tmp_path):
    file = write(tmp_path / "run.csv", ["step", "val_loss"], STEPS, LOSSES)
    curve = read(file, schedule="warmup(20) >> linear(final=0.1)", base_lr=1e-3)
    np.testing.assert_allclose(curve.rates, 1e-3 * SCHEDULE(np.arange(400)))
    np.testing.assert_allclose(read(file, schedule=SCHEDULE, base_lr=1e-3).rates, curve.rates)
    longer = read(file, schedule="linear()", base_lr=1e-3, steps=800)
    assert longer.length == 400
    assert longer.rates[-1] == pytest.approx(1e-3 * (1 - 399 / 800))


def test_the_base_rate_of_a_schedule_is_taken_from_the_log(tmp_path):
    curve = read(csv(tmp_path), schedule="warmup(20) >> linear(final=0.1)")
    np.testing.assert_allclose(curve.rates, 1e-3 * SCHEDULE(np.arange(400)), rtol=1e-3)


def test_a_restarted_runs_later_rows_win(tmp_path):
    first, again = STEPS[:30], STEPS[20:]
    steps = np.concatenate([first, again])
    losses = np.concatenate([np.where(np.arange(30) < 20, LOSSES[:30], 9.0), LOSSES[20:]])
    rates = np.concatenate([RATES[:30], RATES[20:]])
    same(read(csv(tmp_path, steps=steps, rates=rates, losses=losses)))


def test_a_restarted_job_may_write_the_names_again(tmp_path):
    file = csv(tmp_path)
    rows = file.read_text().splitlines()
    file.write_text("\n".join([*rows[:31], *rows[:1], *rows[21:]]) + "\n")
    same(read(file))


def test_of_rows_of_one_step_the_last_validation_loss_counts_and_training_losses_are_averaged(tmp_path):
    steps, rates = np.repeat(STEPS, 2), np.repeat(RATES, 2)
    losses = np.repeat(LOSSES, 2) + np.tile([0.5, 0.0], 40)
    same(read(csv(tmp_path, steps=steps, rates=rates, losses=losses)))
    file = csv(tmp_path, names=("step", "lr", "loss"), steps=steps, rates=rates, losses=losses)
    same(read(file), STEPS, LOSSES + 0.25)


def test_training_losses_are_averaged_in_equal_parts(tmp_path):
    steps = np.arange(1, 5001)
    noise = np.random.default_rng(0).normal(0, 0.3, 5000)
    file = csv(
        tmp_path, names=("step", "lr", "loss"), steps=steps, rates=np.full(5000, 1e-3), losses=3 + 20 / steps + noise
    )
    curve = read(file, max_losses=100)
    assert len(curve.steps) == 100
    assert (np.diff(curve.steps) == 50).all()
    np.testing.assert_allclose(curve.losses[20:], 3 + 20 / curve.steps[20:], atol=0.2)
    with_all = read(file, max_losses=5000)
    np.testing.assert_allclose(curve.losses[7], with_all.losses[350:400].mean())


def test_of_many_validation_losses_some_are_left_out_but_not_the_ends(tmp_path):
    curve = read(csv(tmp_path), max_losses=9)
    assert len(curve.steps) == 9
    assert (curve.steps[0], curve.steps[-1]) == (10, 400)
    assert set(curve.losses) <= set(LOSSES)


def test_steps_that_begin_at_zero_are_counted_from_one(tmp_path):
    curve = read(csv(tmp_path, steps=STEPS - 10))
    same(curve, STEPS - 9)
    assert curve.length == 391


def test_a_loss_measured_before_training_has_no_rate_and_is_left_out(tmp_path):
    rates = np.concatenate([[None], RATES])
    same(read(csv(tmp_path, steps=[0, *STEPS], rates=rates, losses=[9.0, *LOSSES])))


def test_tokens_are_turned_into_updates(tmp_path):
    same(read(csv(tmp_path, steps=STEPS * 524_288), per_step=524_288))


def test_hugging_faces_training_loss_belongs_between_its_rows(tmp_path):
    log = [{"step": int(s), "learning_rate": r, "loss": v} for s, r, v in zip(STEPS, RATES, LOSSES, strict=True)]
    log.append({"step": 400, "train_loss": 9.9, "train_runtime": 1.0})
    (tmp_path / "trainer_state.json").write_text(json.dumps({"global_step": 400, "log_history": log}))
    same(read(tmp_path), STEPS - 5)
    assert list(read(tmp_path, max_losses=10).steps) == list(range(20, 400, 40))  # means over 1 to 40, 41 to 80 ...
    assert read(tmp_path).name == tmp_path.name


def test_missing_columns_are_said_with_those_there_are(tmp_path):
    file = csv(tmp_path, names=("epoch", "lr", "val_loss"))
    fails(file, "a column must count the steps, got 'epoch', 'lr', 'val_loss'; name it as columns={'step': ...}")
    file = csv(tmp_path, names=("step", "lr", "accuracy"))
    fails(file, "a column must hold the loss, got 'step', 'lr', 'accuracy'; name it as columns={'loss': ...}")
    file = csv(tmp_path, names=("step", "speed", "loss"))
    fails(file, "the log must hold the rate, got none; name its column as columns={'lr': ...}, or give schedule")
    fails(file, "it must have the column 'eta', got 'step', 'speed', 'loss'; name one of them", columns={"lr": "eta"})
    fails(file, "columns may name step, lr and loss, got 'rate'", columns={"rate": "speed"})
    same(read(file, columns={"lr": "speed"}))


def test_two_losses_that_fit_equally_well_are_said(tmp_path):
    file = csv(tmp_path, LOSSES, names=("step", "lr", "eval_c4_loss", "eval_web_loss"))
    fails(file, "one column must hold the loss, got 'eval_c4_loss', 'eval_web_loss'; name one as columns={'loss': ...}")
    same(read(file, columns={"loss": "eval_web_loss"}))


@pytest.mark.parametrize("mark", ["nan", "inf", "NaN"])
def test_a_run_that_diverged_is_said_with_the_step(tmp_path, mark):
    losses = [*LOSSES[:30].tolist(), *[mark] * 10]
    fails(csv(tmp_path, losses=losses), "'val_loss' must be finite, got nan or infinity from step 310 on; cut the log")


def test_losses_that_cannot_be_are_said(tmp_path):
    fails(csv(tmp_path, losses=np.where(STEPS == 50, -1.0, LOSSES)), "'val_loss' must be at least 0, got -1 at step 50")
    fails(csv(tmp_path, losses=["x"] * 40), "column 'val_loss' must hold numbers, got 'x'; mend that row")
    fails(csv(tmp_path, losses=[None] * 40), "there must be validation losses, got none in 'val_loss'")
    fails(csv(tmp_path), "there must be training losses, got none; name their column", kind="training")
    with pytest.raises(ValueError, match="losses must change, got 2 at all 40 measurements"):
        read(csv(tmp_path, losses=np.full(40, 2.0)))
    with pytest.raises(ValueError, match="at least 5 losses are needed, got 3; log more often"):
        read(csv(tmp_path, steps=STEPS[:3], rates=RATES[:3], losses=LOSSES[:3]))


def test_steps_in_no_order_are_said(tmp_path):
    order = np.random.default_rng(0).permutation(40)
    fails(csv(tmp_path, steps=STEPS[order]), "steps must increase but for restarts, got")
    fails(csv(tmp_path, steps=STEPS[::-1]), "steps must increase but for restarts, got 39 falls in 40 rows of 'lr'")


def test_steps_that_begin_again_every_epoch_are_said(tmp_path):
    steps = np.tile(STEPS[:10], 4)
    fails(csv(tmp_path, steps=steps), "steps must count through the whole training, got 3 beginnings at step 10")


def test_rates_that_cannot_be_are_said(tmp_path):
    fails(
        csv(tmp_path, rates=np.zeros(40)), "the rates must not all be zero, got 40 zeros in 'lr'; name another column"
    )
    fails(csv(tmp_path, rates=-RATES), "'lr' must be at least 0, got -0.00045 at step 10; see which column it is")
    rates = [*RATES[:20], *[None] * 20]
    fails(csv(tmp_path, rates=rates), "the rates must be known to the end, got them to step 200 and losses to 400")


def test_units_that_do_not_match_are_said(tmp_path):
    file = csv(tmp_path)
    fails(file, "steps must be at least the last step logged, got 300 and 400 in 'step'", steps=300)
    fails(file, "schedule must give the rates of the log, got", schedule="linear()", steps=4000)
    fails(file, "schedule must give the rates of the log, got", schedule="warmup(20) >> linear()", base_lr=0.1)
    fails(csv(tmp_path, steps=STEPS * 524_288), "'step' must count updates, up to 20000000, got 209715200; where it")


def test_a_schedule_needs_a_base_rate_and_must_be_known_beforehand(tmp_path):
    file = write(tmp_path / "run.csv", ["step", "val_loss"], STEPS, LOSSES)
    fails(file, "base_lr must be given where the log has no rates, got none", schedule="linear()")
    said = "cannot say what plateau() will do, since it listens to the run; give"
    fails(file, said, schedule="plateau()", base_lr=1.0)


@pytest.mark.parametrize("rows", [150_000, 700_000])
def test_very_many_rows_keep_the_rates_and_all_parts_of_the_run(tmp_path, rows):
    factors = parse("warmup(2000) >> cosine(final=0.1)").build(Horizon(rows))(np.arange(rows, dtype=float))
    file = tmp_path / "run.csv"
    with file.open("w") as to:
        to.write("step,lr,loss\n")
        to.writelines(f"{step},{1e-3 * lr:.9g},{2 + step**-0.3:.6f}\n" for step, lr in enumerate(factors, 1))
    curve = read(file)
    np.testing.assert_allclose(curve.rates, 1e-3 * factors, atol=1e-5)
    assert len(curve.steps) == 200
    assert np.diff(curve.steps).max() < 1.1 * rows / 200
    assert curve.warmup_steps == pytest.approx(2000, rel=0.02)


def test_a_drop_between_rates_that_are_logged_seldom_is_said(tmp_path):
    rows = ["step,lr,val_loss"]
    for step in range(20, 4001, 20):
        rate = "" if step % 800 else 1e-3 if step <= 2000 else 3e-4
        rows.append(f"{step},{rate},{2 + step**-0.3:.5f}")
    file = tmp_path / "run.csv"
    file.write_text("\n".join(rows))
    (note,) = read(file).notes
    assert "are known at steps 1600 and 2400 only, and differ much: a straight line was drawn" in note
    assert read(file, schedule='multistep(milestones=["50%"], gamma=0.3)', base_lr=1e-3).notes == ()


def test_memory_does_not_grow_with_the_rows(tmp_path):
    pytest.importorskip("resource")  # not on Windows
    program = """
        import resource, sys
        from ratesmith.logs import read
        curve = read(sys.argv[1])
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        print(len(curve.steps), most / (1 if sys.platform == "linux" else 1024))
    """
    used = []
    for rows in (100_000, 600_000):
        file = tmp_path / f"{rows}.csv"
        with file.open("w") as to:
            to.write("step,lr,loss\n")
            to.writelines(f"{step},0.001,{2 + 1 / math.sqrt(step):.6f}\n" for step in range(1, rows + 1))
        command = [sys.executable, "-c", textwrap.dedent(program), str(file)]
        out = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        assert out[0] == "200"
        used.append(float(out[1]))
    assert used[1] - used[0] < 40 * 1024  # kilobytes; the rates themselves are 4 MB more
