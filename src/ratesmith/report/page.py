"""Pages that work without a network: a template, its pictures, and Bokeh's script, in one file."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from bokeh.embed import components
from bokeh.resources import Resources
from jinja2 import Environment, PackageLoader, StrictUndefined

from ratesmith import __version__


def write_page(template: str, path: str | Path, drawn: dict[str, Any], **known: Any) -> Path:
    """Write a page from a template, with its pictures and what it knows."""
    environment = Environment(
        loader=PackageLoader("ratesmith.report", "templates"), autoescape=True, undefined=StrictUndefined
    )
    script, pictures = components(drawn) if drawn else ("", {})
    library = Resources(mode="inline", components=["bokeh"]).render_js()
    text = environment.get_template(template).render(
        library=library, script=script, pictures=pictures, versions=_versions(), **known
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
