"""Series: one column of a log by step, of any length in bounded memory; a restarted run's later rows win."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from ratesmith._checks import Option, OptionValueError
from ratesmith.logs.curve import Floats

MOST_ENTRIES: Final = 131_072
"""Entries that are held; of more, those of equal parts of the steps are joined."""
RESTARTS: Final = 3
"""Times that the step may go back in any log; in a long one, in a twentieth of its rows."""


@dataclass
class Series:
    """Values by step, in rising order of the step.

    Each entry is a mean over rows next to each other: the sums of their steps and values, and how many they are. As
    long as there are few rows, each is an entry of its own; then those of one bucket are joined, alike at all places.
    """

    name: str
    mean: bool
    """Whether rows of the same step are averaged; if not, the last of them counts."""
    bucket: float = 1.0
    """How many steps are joined if there are too many rows: a power of 2."""
    rows: int = 0
    sums: Floats = field(default_factory=lambda: np.empty((3, 0)))
    """Steps, values and counts, a column an entry: (3, entries)."""
    backs: int = 0
    """Times that the step went back."""
    begun: int = 0
    """Times that it went back to where the log begins."""
    gap: int = 0
    """The longest run of numbers that are not finite, before one that is."""
    open_gap: int = 0
    """How many of them stand at the end."""
    open_since: float = 0.0
    """The step of the first of these."""

    def add(self, steps: Floats, values: Floats) -> None:
        """Take in rows: NaN was not logged, infinity is a number that is not finite."""
        # Rows come some thousands at a time: what is noted must not depend on where such a piece ends.
        logged = ~(np.isnan(steps) | np.isnan(values))
        steps, values = steps[logged], values[logged]
        self._note_gaps(steps, values)
        finite = np.isfinite(values)
        steps, values = steps[finite], values[finite]
        if not len(steps):
            return
        self._check(steps, values)
        self.rows += len(steps)
        falls = np.flatnonzero(np.diff(steps) < 0) + 1
        if self.backs + len(falls) > max(RESTARTS, self.rows // 20):
            raise OptionValueError(
                f"read: steps must increase but for restarts, got {self.backs + len(falls)} falls in {self.rows} "
                f"rows of {self.name!r}; sort the rows, or name a column that counts through the whole training"
            )
        for part in np.split(np.stack([steps, values, np.ones_like(steps)]), falls, axis=1):
            self._append(part)

    def _append(self, part: Floats) -> None:
        """Add rows whose steps do not fall; what is there from their first step on is replaced."""
        first, steps = part[0, 0], self.sums[0] / self.sums[2]
        if len(steps) and first < steps[-1]:
            # A restart from a checkpoint goes back a little, one that begins anew to before the first step.
            keep = int(np.searchsorted(steps, first))
            self.sums = self.sums[:, :keep]
            self.backs += 1
            self.begun += keep == 0
            if self.begun > 1:
                raise OptionValueError(
                    f"read: steps must count through the whole training, got {self.begun + 1} beginnings at "
                    f"step {first:g}; name a column that does as ",
                    Option("columns={'step': ...}"),
                )
        self.sums = np.concatenate([self.sums, part], axis=1)
        if self.sums.shape[1] > MOST_ENTRIES:
            self._join()

    def _join(self) -> None:
        """Make buckets so wide that at most half of the entries are left, and add up the entries of each."""
        steps = self.sums[0] / self.sums[2]
        while steps[-1] > self.bucket * MOST_ENTRIES / 2:
            self.bucket *= 2
        # Entries are in order, so that a bucket's lie next to each other.
        begins = np.flatnonzero(np.diff(np.floor(steps / self.bucket), prepend=-1))
        self.sums = np.add.reduceat(self.sums, begins, axis=1)

    def _check(self, steps: Floats, values: Floats) -> None:
        if not np.isfinite(steps).all() or steps.min() < 0:
            raise OptionValueError("read: steps must be finite and at least 0, got others; see which column counts")
        if values.min() < 0:
            place = int(np.argmax(values < 0))
            raise OptionValueError(
                f"read: {self.name!r} must be at least 0, got {values[place]:g} at step {steps[place]:g}; "
                "see which column it is"
            )

    def _note_gaps(self, steps: Floats, values: Floats) -> None:
        """Follow runs of numbers that are not finite, from one piece of the file to the next."""
        wrong = ~np.isfinite(values)
        edges = np.flatnonzero(np.diff(np.concatenate([[0], wrong.astype(np.int8), [0]])))
        if len(values) and not wrong[0]:
            self.gap, self.open_gap = max(self.gap, self.open_gap), 0
        for begin, end in edges.reshape(-1, 2):
            if begin or not self.open_gap:
                self.open_gap, self.open_since = 0, float(steps[begin])
            self.open_gap += int(end - begin)
            if end < len(values):
                self.gap, self.open_gap = max(self.gap, self.open_gap), 0

    def refuse_divergence(self) -> None:
        """Raise ValueError if the numbers end in ones that are not finite, beyond those that a log leaves out."""
        # A log that writes NaN between two validations ends in as many of them; a training that diverged in ever more.
        if self.open_gap > 2 * self.gap:
            raise OptionValueError(
                f"read: {self.name!r} must be finite, got nan or infinity from step {self.open_since:g} on; "
                "cut the log where the run diverged"
            )

    def points(self, most: int) -> tuple[Floats, Floats]:
        """Return at most `most` steps and values: all that there are, or means over equal parts of the steps."""
        steps, values, counts = self.sums[0] / self.sums[2], self.sums[1] / self.sums[2], self.sums[2]
        if not self.mean and len(steps):
            last = np.append(np.diff(steps) > 0, True)
            steps, values, counts = steps[last], values[last], counts[last]
        groups = np.unique(steps, return_inverse=True)[1]
        if len(steps) and groups[-1] >= most:
            # The parts end at the last step, so that the loss at the end is not mixed with what lies before.
            groups = np.minimum(most - 1, np.ceil(steps * most / steps[-1]).astype(np.int64) - 1).clip(0)
        weights = np.bincount(groups, counts)
        with np.errstate(invalid="ignore"):
            means = np.bincount(groups, steps * counts) / weights, np.bincount(groups, values * counts) / weights
        return means[0][weights > 0], means[1][weights > 0]
