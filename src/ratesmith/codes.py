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
        Code("RS104", "edge", "The answer lies on the edge of the rates tried; give a wider range."),
        Code(
            "RS105",
            "seed_spread",
            "The orders of the data disagree by more than half a decade: take the answer as a rough one.",
        ),
        Code(
            "RS106",
            "moved",
            "The best rate moved by more than a factor of 2 from the shorter trainings to the longer: at full length "
            "it may move further.",
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
    )
}
"""All codes, in order."""


def coded(number: str, text: str) -> str:
    """Return a sentence with its code, by which the documentation explains it.

    >>> coded("RS104", "The best rate is the highest tried.")
    'The best rate is the highest tried. [RS104]'
    """
    return f"{text} [{CODES[number].number}]"
