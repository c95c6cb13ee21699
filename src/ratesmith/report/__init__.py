"""The page of a result: a comparison, what a finder found or a forecast in, one self-contained HTML file out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ratesmith._extras import require

__all__ = ["write_html"]

require("ratesmith.report", "jinja2", "bokeh", extra="compare")


def write_html(
    result: Any, path: str | Path, *, title: str | None = None, command: str = "", checks: Sequence[Any] = ()
) -> Path:
    """Write a result's page to `path`, and return the path; everything it needs is inside, Bokeh's script included.

    `result`: a Comparison, what `find` returned, or the Candidates of a forecast. `title` stands above it, `command` is
    the command that made it. `checks`, for a forecast: further runs that were measured, each with the forecast under
    its own rates. Raise TypeError for any other result.
    """
    # A page is imported when it is written, and told by the name of the result's class: so that it needs only what its
    # own result needed to be made.
    kinds = {kind.__name__ for kind in type(result).__mro__ if kind.__module__.startswith("ratesmith.")}
    if "Comparison" in kinds:
        from ratesmith.report import comparison

        return comparison.write(result, path, title="comparison" if title is None else title, command=command)
    if "FinderResult" in kinds:
        from ratesmith.report import finder_result

        return finder_result.write(result, path, title="find" if title is None else title, command=command)
    if "Candidates" in kinds:
        from ratesmith.report import forecast

        return forecast.write(
            result, path, checks=checks, title="forecast" if title is None else title, command=command
        )
    raise TypeError(
        "write_html: result must be a Comparison, a finder's result or a forecast's Candidates, "
        f"got {type(result).__name__}; give one of these"
    )
