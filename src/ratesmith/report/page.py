"""Put a comparison's verdict, ranking, pictures and runs on one page that works without a network."""

from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

from bokeh.embed import components
from bokeh.resources import Resources
from jinja2 import Environment, PackageLoader, StrictUndefined

from ratesmith import __version__
from ratesmith.experiment import Comparison
from ratesmith.report.charts import charts, looks


def write_report(comparison: Comparison, path: str | Path, *, title: str = "comparison", command: str = "") -> Path:
    """Write the page to `path` and give it; everything it needs is inside, Bokeh's script included."""
    environment = Environment(
        loader=PackageLoader("ratesmith.report", "templates"), autoescape=True, undefined=StrictUndefined
    )
    drawn = charts(comparison)
    script, pictures = components(drawn) if drawn else ("", {})
    text = environment.get_template("comparison.html.jinja").render(
        comparison=comparison,
        title=title,
        command=command,
        looks=looks(comparison),
        library=Resources(mode="inline", components=["bokeh"]).render_js(),
        script=script,
        pictures=pictures,
        versions=_versions(),
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
    return ", ".join([*parts, f"{platform.system()} {platform.machine()}"])
