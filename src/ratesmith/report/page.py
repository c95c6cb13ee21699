"""Pages that work without a network: a template, its pictures, and Bokeh's script, in one file."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from bokeh.embed import components
from bokeh.resources import Resources
from jinja2 import Environment, PackageLoader, StrictUndefined

from ratesmith import __version__
from ratesmith.report.secrets import without_secrets
from ratesmith.report.style import Look, Looks

__all__ = ["Picture", "legend", "without_secrets", "write_page"]


@dataclass(frozen=True)
class Picture:
    """A picture with its words, which are the page's own, so that they wrap and are read aloud."""

    title: str
    """What one sees, and which way is better."""
    plot: Any
    caption: str = ""
    legend: tuple[tuple[Look, str, str], ...] = ()
    """Of each line or row: its look, its label, and its whole text."""


def legend(
    styles: Looks, labels: Mapping[str, str] | None = None, names: Iterable[str] | None = None
) -> tuple[tuple[Look, str, str], ...]:
    """Return the legend of these names, or of all that have a look; without labels each is its own."""
    return tuple(
        (styles[name], name if labels is None else labels[name], name) for name in (styles if names is None else names)
    )


def write_page(
    template: str, path: str | Path, drawn: Mapping[str, Picture], *, command: str = "", **values: Any
) -> Path:
    """Write a page from a template, with its pictures, the command that made it and what else the template names."""
    environment = Environment(
        loader=PackageLoader("ratesmith.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
    )
    plots = {name: picture.plot for name, picture in drawn.items()}
    script, places = components(plots) if plots else ("", {})
    library = Resources(mode="inline", components=["bokeh"]).render_js() if plots else ""
    text = environment.get_template(template).render(
        library=library,
        script=script,
        pictures=drawn,
        places=places,
        versions=_versions(),
        command=without_secrets(command),
        **values,
    )
    path = Path(path)
    path.write_text(text, encoding="utf-8")
    return path


def _versions() -> str:
    parts = [f"ratesmith {__version__}", f"Python {platform.python_version()}"]
    for name in ("torch", "numpy"):
        try:
            parts.append(f"{name} {metadata.version(name)}")
        except metadata.PackageNotFoundError:
            continue
    return ", ".join([*parts, f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"])
