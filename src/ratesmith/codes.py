"""Every warning, flag and diagnostic by its stable code, as docs/doctor.md explains them."""

from __future__ import annotations

from typing import Final, NamedTuple


class Code(NamedTuple):
    """What may be wrong: once given, a code keeps its meaning and is never used for anything else."""

    number: str
    """RS1..: found by `find`; RS2..: by a scheduler in a training; RS3..: by `compare`; RS4..: by `forecast`. Those
    of a schedule's lengths, RS213 and RS214, are the same wherever one is given."""
    name: str
    """The same for programs: a finder's flag, a diagnostic's kind."""
    meaning: str
    """What it says, in one sentence that holds wherever it appears."""


CODES: Final = {
    code.number: code
    for code in (
        Code(
            "RS101",
            "no_descent",
            "The loss did not fall at any rate, so no rate is suggested: see that the model can learn this data.",
        ),
        Code(
            "RS102",
            "unshuffled",
            "The loader gives the data in one fixed order: if it is sorted, the answer misleads; shuffle it.",
        ),
        Code(
            "RS103",
            "no_divergence",
            "The loss did not rise at any rate tried, so the highest rate that works is not known.",
        ),
        Code("RS104", "edge", "The answer lies on the edge of the rates tried: the best one may lie beyond."),
        Code(
            "RS105",
            "seed_spread",
            "The orders of the data disagree by more than half a decade: take the answer as a rough one.",
        ),
        Code(
            "RS107",
            "diverged",
            "At some of the rates trained, the end was no better than the untrained model, or not finite.",
        ),
        Code(
            "RS108",
            "hooks_asleep",
            "Functions of yours that run after an update slept during the search: what they do was left out.",
        ),
        Code(
            "RS109",
            "pretrained",
            "The model was trained before, and no validation data judged: what a rate makes it forget was not seen.",
        ),
        Code(
            "RS111",
            "little_learned",
            "The loss hardly fell in the short trainings: say how many steps yours has, and longer ones decide.",
        ),
        Code(
            "RS112",
            "budget_spent",
            "The sweep took so much of the budget that no trainings decide: give a larger one.",
        ),
        Code(
            "RS201",
            "absolute_overwritten",
            "A value that its schedule gives itself was set by hand: it is overwritten at the next step.",
        ),
        Code(
            "RS202",
            "base_far_off",
            "A value was set by hand while the factor is tiny, so its base becomes very large: perhaps the base was "
            "meant.",
        ),
        Code(
            "RS203",
            "base_differs",
            "The saved base differs from the one that the code gives now; the saved one is used.",
        ),
        Code(
            "RS204",
            "base_of_another",
            "Another scheduler left a base that the present value does not agree with; the base is used.",
        ),
        Code("RS205", "not_counted", "The scheduler that counted updates is gone, so the rates stay as they are."),
        Code(
            "RS206",
            "loaded_without_step",
            "The optimizer's state was loaded without a base and a step; the scheduler keeps its own.",
        ),
        Code("RS207", "loaded_of_another", "The optimizer's state was loaded at a step of another schedule."),
        Code(
            "RS208", "loaded_at_end", "The optimizer's state was loaded at a step at which the schedule has ended at 0."
        ),
        Code(
            "RS209",
            "loaded_without_controller",
            "The optimizer's state was loaded, and does not say what a controller had heard by then.",
        ),
        Code(
            "RS210",
            "stepped_without_updates",
            "A scheduler that went on from a loaded step was stepped often, and the optimizer made no update.",
        ),
        Code(
            "RS211",
            "new_run",
            "The optimizer's state was loaded without a base, so this is a new run from its present values.",
        ),
        Code("RS212", "begins_anew", "A controller was not in the saved schedule, so it begins anew."),
        Code(
            "RS213",
            "short_lengths",
            "The schedule is over in the first updates of the run: plain numbers count updates, and not epochs.",
        ),
        Code("RS214", "within_warmup", "The run is no longer than the schedule's warm-up, and ends inside it."),
        Code(
            "RS215",
            "no_updates",
            "The optimizer that the scheduler was given makes no update, while the weights change.",
        ),
        Code("RS216", "stepped_first", "The scheduler is stepped before the update, so its first value is never used."),
        Code("RS217", "stepped_often", "The scheduler is stepped several times for each update."),
        Code("RS218", "stepped_rarely", "The scheduler is stepped once for several updates."),
        Code("RS219", "past_end", "Updates go on after the end of the schedule, at a rate of 0."),
        Code("RS220", "two_schedulers", "Two schedulers set the same value of the same groups."),
        Code("RS221", "set_at_every_step", "Somebody else sets the value before every step."),
        Code("RS222", "out_of_reach", "The optimizer inside the given one has groups that no rate reaches."),
        Code(
            "RS223", "built_again", "A scheduler is built again and again in one training, and each begins at step 0."
        ),
        Code(
            "RS301",
            "nothing_shared",
            "A saved state does not go on bit for bit: every run was trained from its beginning.",
        ),
        Code("RS302", "no_centre", "The finder found no rate: rates are looked for around the optimizer's own."),
        Code("RS303", "centre", "Rates are looked for around the one that a sweep found."),
        Code("RS304", "made_smaller", "Runs of the choice or seeds were made fewer, to fit the budget."),
        Code("RS305", "few_pairs", "The verdict rests on fewer than five pairs of runs, which tell little apart."),
        Code("RS306", "failed", "In some runs the task or the strategy raised."),
        Code("RS307", "timeout", "Some runs took longer than a trial may."),
        Code("RS308", "killed", "The processes of some runs died as often as they were tried."),
        Code("RS309", "test_unmeasured", "The test data could not be measured."),
        Code("RS310", "never_changed", "The strategy never changed its rate: it was a constant one."),
        Code(
            "RS311",
            "winner_on_edge",
            "On one side of the winner's rate nothing was seen to be worse: a better one may lie there.",
        ),
        Code(
            "RS312",
            "no_intervals",
            "With fewer than three seeds there are no intervals: strategies cannot be told apart.",
        ),
        Code("RS313", "all_diverged", "Every run diverged."),
        Code("RS314", "no_winner", "At no rate did every seed end with a finite value of the metric."),
        Code("RS315", "test_reused", "The test set of this folder has judged more than one winner."),
        Code("RS316", "no_rate", "The strategy has no rate at which every run ended well."),
        Code("RS317", "missing_seeds", "The strategy lacks the result of some fresh seeds."),
        Code(
            "RS318",
            "not_repeatable",
            "The seed does not decide the training: runs of one seed have nothing in common, and nothing was shared.",
        ),
        Code(
            "RS319",
            "less_side_by_side",
            "Memory did not suffice for as many runs side by side as asked for: fewer were trained at a time.",
        ),
        Code("RS320", "incomplete", "Some runs have no outcome, and the verdict is given without them."),
        Code("RS321", "seed_ignored", "The seed changes nothing: runs of different seeds are the same training."),
        Code("RS322", "rate_ignored", "The rate changes nothing: runs at different rates are the same training."),
        Code("RS323", "ran_on", "A script went on behind its last step, and was ended there."),
        Code(
            "RS324",
            "unusual_mode",
            "The mode goes against the name of the metric: small accuracies, or large losses, are sought.",
        ),
        Code(
            "RS325",
            "schedule_ignored",
            "The schedule changes nothing: runs with different schedules are the same training.",
        ),
        Code(
            "RS326",
            "stopped_early",
            "A strategy may be as good as the first, and seeds were left that nobody trained.",
        ),
        Code(
            "RS327",
            "rate_in_doubt",
            "The rate of a strategy that may be the best is not known as closely as the margin.",
        ),
        Code("RS328", "fresh_runs_diverged", "At its chosen rate some fresh runs of the strategy diverged."),
        Code("RS401", "few_losses", "A run has too few losses after its warm-up."),
        Code("RS402", "no_annealing", "No run was annealed: what lower rates gain is taken from other models."),
        Code("RS403", "other_optimizer", "The optimizer is unlike AdamW, with which the laws were found."),
        Code("RS404", "guessed_rates", "Rates of a run were guessed between two that were logged."),
        Code("RS405", "mixed_losses", "Training and validation losses are mixed."),
        Code("RS406", "step_counts", "Two runs differ so much in their steps that one may count something else."),
        Code("RS407", "peak_rates", "Two runs have peak rates so different that they are different trainings."),
        Code(
            "RS408",
            "many_epochs",
            "The data was seen so often that the laws, which are about fresh data, have no support.",
        ),
        Code("RS409", "memorized", "The loss of a run fell further than fresh data allows."),
        Code("RS410", "rising_loss", "The loss of a run ends above its lowest."),
        Code("RS411", "flat_loss", "The loss of no run falls."),
        Code("RS412", "large_misfit", "The law misses the runs by more than 1 % of the loss: do not rely on it."),
        Code("RS413", "unusual_misfit", "The law misses the runs by more than it misses any public curve."),
        Code("RS414", "drift", "The law drifts away from a run towards its end."),
        Code(
            "RS415", "missed_run", "A run was far from its forecast by a fit to the others: all bands are wider for it."
        ),
        Code(
            "RS416",
            "unsure_parameter",
            "The runs do not show how the loss follows the rate: a further run is asked for.",
        ),
        Code("RS417", "high_rate", "The peak rate is above the largest seen."),
        Code("RS418", "low_rate", "The peak rate is far below the lowest seen."),
        Code("RS419", "long_horizon", "The run to come is much longer than the longest seen."),
        Code("RS420", "short_horizon", "The run to come is much shorter than the shortest seen."),
        Code("RS421", "before_fit", "Losses were asked for before the first step that was fitted."),
        Code("RS422", "laws_disagree", "The laws disagree about a candidate by more than its gain."),
        Code("RS423", "reached_already", "A run has already ended as low as the first candidate is forecast to."),
        Code("RS424", "no_warmup", "The runs warmed up, and a candidate does not."),
    )
}
"""All codes, in order."""


def coded(number: str, text: str) -> str:
    """Return a sentence with its code, by which the documentation explains it.

    >>> coded("RS104", "The best rate is the highest tried.")
    'The best rate is the highest tried. [RS104]'
    """
    return f"{text} [{CODES[number].number}]"
