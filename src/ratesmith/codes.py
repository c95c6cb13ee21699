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
        Code(
            "RS301",
            "nothing_shared",
            "A saved state does not go on bit for bit: every run was trained from its beginning.",
        ),
        Code("RS302", "no_centre", "The finder found no rate: the grid lies around the optimizer's own."),
        Code("RS303", "centre", "The grid of rates lies around what a sweep found."),
        Code("RS304", "made_smaller", "Rates or seeds were made fewer, to fit the budget."),
        Code("RS305", "few_pairs", "The verdict rests on fewer than five pairs of runs, which tell little apart."),
        Code("RS306", "failed", "In some runs the task or the strategy raised."),
        Code("RS307", "timeout", "Some runs took longer than a trial may."),
        Code("RS308", "killed", "The processes of some runs died as often as they were tried."),
        Code("RS309", "test_unmeasured", "The test data could not be measured."),
        Code("RS310", "never_changed", "The strategy never changed its rate: it was a constant one."),
        Code(
            "RS311",
            "winner_on_edge",
            "The winner's rate lies on the edge of those tried: a better one may lie beyond it.",
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
    )
}
"""All codes, in order."""


def coded(number: str, text: str) -> str:
    """Return a sentence with its code, by which the documentation explains it.

    >>> coded("RS101", "The best rate is the highest tried.")
    'The best rate is the highest tried. [RS101]'
    """
    return f"{text} [{CODES[number].number}]"
