"""The scalars of TensorBoard's event files, read by TensorBoard itself."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Final

import numpy as np

from ratesmith._checks import OptionValueError
from ratesmith.logs.curve import Floats

MOST_EVENTS: Final = 200_000
"""Events of a series that are kept; of more, TensorBoard draws as many at random, with the same seed each time."""


def scalars(path: Path) -> dict[str, tuple[Floats, Floats]]:
    """Return the steps and values of every scalar series of an event file, or of a folder of them.

    Both ways of writing are read: torch's simple values and TensorFlow's scalars in tensors. Raises ValueError without
    the package, and for a damaged file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of packages that TensorBoard imports
            from tensorboard.backend.event_processing import event_accumulator
            from tensorboard.util import tensor_util
    except ModuleNotFoundError:
        raise OptionValueError(
            "read: to read event files, tensorboard must be installed, got none; pip install tensorboard, "
            "or Ratesmith with its extra [logs]"
        ) from None
    kept = {event_accumulator.SCALARS: MOST_EVENTS, event_accumulator.TENSORS: MOST_EVENTS}
    rest = dict.fromkeys(set(event_accumulator.DEFAULT_SIZE_GUIDANCE) - set(kept), 1)
    logging.getLogger("tensorboard").setLevel(logging.ERROR)
    # What a restarted run wrote twice is left in: it is joined as in every other format.
    events = event_accumulator.EventAccumulator(str(path), {**rest, **kept}, purge_orphaned_data=False)
    events.Reload()
    tags = events.Tags()
    series = {}
    for tag in tags["scalars"]:
        series[tag] = _series([(event.step, event.value) for event in events.Scalars(tag)])
    for tag in tags["tensors"]:
        if events.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            values = [
                (event.step, float(tensor_util.make_ndarray(event.tensor_proto))) for event in events.Tensors(tag)
            ]
            series[tag] = _series(values)
    return series


def _series(events: list[tuple[int, float]]) -> tuple[Floats, Floats]:
    steps, values = np.array(events, dtype=np.float64).reshape(-1, 2).T
    return np.array(steps), np.where(np.isfinite(values), values, np.inf)
