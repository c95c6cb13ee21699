"""Every warning, flag and diagnostic by its stable code, as docs/codes.md explains them."""

from __future__ import annotations

from typing import Final, NamedTuple


class Code(NamedTuple):
    """What may be wrong: once given, a code keeps its meaning and is never used for anything else."""

    number: str
    """RS1..: found by `find`; RS2..: by a scheduler in a training; RS3..: by `compare`; RS4..: by `forecast`."""
    name: str
    """The same for programs: a finder's flag, a diagnostic's kind."""
    meaning: str
    """What it says, in one sentence that holds wherever it appears."""


CODES: Final = {
    code.number: code
    for code in (
        Code("RS101", "edge", "The rate lies on the edge of those tried: a better one may lie beyond it."),
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

    >>> coded("RS101", "The best rate is the highest tried.")
    'The best rate is the highest tried. [RS101]'
    """
    return f"{text} [{CODES[number].number}]"
