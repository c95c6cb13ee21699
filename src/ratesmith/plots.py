"""Pictures for files and notebooks, drawn by matplotlib: what `.plot()` of a schedule and of a result returns."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from ratesmith._display import PLOTS
from ratesmith._extras import needs
from ratesmith.controllers import Adaptive
from ratesmith.describe import ENDLESS_SHOWN, extent, sample
from ratesmith.example_metric import example, follow
from ratesmith.schedule import Schedule
from ratesmith.strategy.labels import labels

if TYPE_CHECKING:
    from ratesmith.experiment import Comparison
    from ratesmith.experiment.ranking import Row
    from ratesmith.finder import FinderResult
    from ratesmith.forecast import Candidates, Prediction
    from ratesmith.logs import Curve

with needs("plot", extra="plot"):
    from matplotlib.figure import Figure
    from matplotlib.ticker import LogLocator, NullFormatter


LONGEST_LABEL: Final = 100
"""Characters of a label in a legend below; a longer one is cut."""
ROW_HEIGHT: Final = 0.36
"""Inches of a picture for each row of a ranking."""
SPREAD: Final = 4.0
"""An axis of losses is logarithmic if the largest is more than so many times the smallest."""
SHOWN_BELOW: Final = 1000.0
"""A sweep is shown from its suggestion divided by this on: below, nothing happens."""
SUGGESTION: Final = "tab:green"
"""The colour of what is suggested, and of the best: no curve has it."""
COLOURS: Final = ("tab:blue", "tab:orange", "tab:purple", "tab:red", "tab:brown", "tab:pink", "tab:cyan", "tab:olive")
DASHES: Final = ("-", "--", "-.", ":")
"""Neighbours differ by dash too, for who sees no colours and for paper."""
BASELINE: Final = "tab:gray"


class Picture(Figure):
    """A matplotlib Figure that a notebook shows, whether or not `%matplotlib inline` was said."""

    def _repr_svg_(self) -> str:
        text = io.StringIO()
        self.savefig(text, format="svg", bbox_inches="tight")
        return text.getvalue()


def draw_curves(
    curves: Mapping[str, Sequence[tuple[int, float]]], steps_per_epoch: int = 1, ax: Any = None
) -> Figure | Any:
    """Return a picture of (step, factor) pairs by label; the axis counts epochs if an epoch has several steps."""
    axes = _axes() if ax is None else ax
    before = len(axes.lines)
    for place, (label, points) in enumerate(curves.items(), before):
        epochs = [step / steps_per_epoch for step, _ in points]
        shown = label if ax is None else labels([label])[label]
        axes.plot(epochs, [value for _, value in points], label=_plain(shown), **_look(place))
    last = max(step for points in curves.values() for step, _ in points) / steps_per_epoch
    axes.set(xlabel="epoch" if steps_per_epoch > 1 else "step", ylabel="factor of the initial rate")
    axes.set_xlim(0, max(last, axes.get_xlim()[1]) if before else last)
    axes.set_ylim(min(0.0, *axes.get_ylim()), None)
    if ax is None:
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.18)}
        axes.legend(**below, frameon=False, prop={"family": "monospace", "size": 8})
    else:  # the axes are somebody's, with neighbours
        axes.legend(frameon=False, fontsize=7)
    return axes.figure


def draw_schedule(schedule: Schedule, ax: Any = None) -> Figure | Any:
    """Return a picture of a schedule over its length; one without an end over its horizon, or its first breakpoints."""
    built_for = schedule._horizon if schedule.steps is None else None
    steps = built_for.steps if built_for else extent(schedule.steps, schedule.breakpoints)
    points = sample(schedule, steps, schedule.breakpoints(0, steps))
    return draw_curves({_name(schedule): points}, ax=ax)


def draw_controller(controller: Adaptive[Any], ax: Any = None) -> Figure | Any:
    """Return a picture of a controller on an example metric, since it does nothing before something is measured."""
    steps = controller._horizon.steps if controller._horizon else ENDLESS_SHOWN
    measurements = example([controller], steps, None)
    curve = follow(controller, measurements)
    figure = draw_curves({_name(controller): sample(curve.at, steps, curve.breakpoints(0, steps))}, ax=ax)
    if ax is None and measurements is not None:
        figure.axes[0].set_title(measurements.text, fontsize=8, loc="left")
    return figure


def draw_finder_result(result: FinderResult, ax: Any = None) -> Figure | Any:
    """Return a picture of the loss by rate: the suggestion a line, its interval a band, dead rates dotted lines."""
    axes = _axes() if ax is None else ax
    for place, curve in enumerate(result.decisive):
        pairs = zip(curve.rates, curve.smooth, strict=True)
        points = [(rate, loss) for rate, loss in pairs if math.isfinite(loss) and rate not in result.dead]
        marker = "" if len(points) > 20 else "o"
        rates, losses = [rate for rate, _ in points], [loss for _, loss in points]
        label = f"data in {curve.name}" if curve.kind == "sweep" else f"trainings of {curve.name}"
        axes.plot(rates, losses, label=label, marker=marker, **_look(place))
    axes.set(xscale="log", xlabel="initial rate", ylabel=_plain(result.measure))
    if result.suggestion is not None:
        for rate in result.dead:
            axes.axvline(rate, color=BASELINE, ls=":", label="died" if rate == result.dead[0] else None)
        if result.interval is not None:
            label = "where the best rate lies in 8 of 10 searches"
            axes.axvspan(*result.interval, alpha=0.15, color=SUGGESTION, lw=0, label=label)
        axes.axvline(result.suggestion, color=SUGGESTION, label=f"suggestion {result.suggestion:.2g}")
        axes.set_xlim(max(axes.get_xlim()[0], result.suggestion / SHOWN_BELOW), None)
        why = ", where the loss falls, well below its lowest point" if result.method == "sweep" else ""
        axes.set_title(f"Start with lr={result.suggestion:.2g}{why}", fontsize=10, loc="left")
    low, high = axes.get_xlim()
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.legend(frameon=False, fontsize=8)
    return axes.figure


def draw_comparison(comparison: Comparison, ax: Any = None) -> Figure | Any:
    """Return a picture of each strategy's rates and of what it gave; into given axes, of what it gave alone."""
    rows = [row for row in comparison.rows if row.base_lr is not None]
    others = [row.strategy for row in rows if row.strategy != comparison.question.baseline]
    looks = {name: _look(place) for place, name in enumerate(others)}
    looks[comparison.question.baseline] = {"color": BASELINE, "ls": "--", "lw": 1.6}
    if ax is not None:
        _draw_ranking(comparison, rows, looks, ax)
        return ax.figure
    figure = Picture(figsize=(9.6, max(2.8, 1.3 + ROW_HEIGHT * len(rows))), dpi=150, layout="constrained")
    left, right = (_styled(axes) for axes in figure.subplots(1, 2, width_ratios=(2, 3)))
    epoch = comparison.layout.steps_per_epoch or 1
    for row in reversed(rows):
        runs = [run for run in comparison.runs_of(row.chosen, row.base_lr) if run.rates]
        if runs:
            points = [*runs[0].rates, (comparison.layout.steps, runs[0].rates[-1][1])]
            epochs, rates = [step / epoch for step, _ in points], [rate for _, rate in points]
            left.step(epochs, rates, where="post", **looks[row.strategy])
    left.set(xlabel="epoch" if epoch > 1 else "step", ylabel="learning rate", ylim=(0, None))
    left.set_title("Each schedule at its best initial rate", fontsize=10, loc="left")
    _draw_ranking(comparison, rows, looks, right)
    return figure


def _draw_ranking(comparison: Comparison, rows: Sequence[Row], looks: Mapping[str, Any], axes: Any) -> None:
    """Draw what each strategy gave on each fresh seed, and the mean that it is ranked by, the best on top."""
    metric = comparison.metric
    if not rows:
        axes.set(yticks=[], xlabel="no strategy has a rate at which every run ended well")
        return
    finals = {row.strategy: _finals(comparison, row) for row in rows}
    every = [value for values in finals.values() for value in values]
    by_logarithms = comparison.question.mode == "min" and min(every, default=0.0) > 0
    for place, row in enumerate(rows):
        values, colour = finals[row.strategy], looks[row.strategy]["color"]
        axes.plot(values, [place] * len(values), "o", color=colour, ms=4, alpha=0.45, mew=0)
        axes.plot([row.estimates[metric].mean], [place], "o", color=colour, ms=9)
    names = labels(row.strategy for row in rows)
    axes.set_yticks(range(len(rows)), [_plain(names[row.strategy]) for row in rows], fontsize=8)
    for tick, row in zip(axes.get_yticklabels(), rows, strict=True):  # they are the legend of the rates too
        tick.set_color(looks[row.strategy]["color"])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    better = "lower" if comparison.question.mode == "min" else "higher"
    large = "geometric mean" if by_logarithms else "mean"
    axes.set(xlabel=f"validation {_plain(metric)}, {better} is better; large: {large}")
    if every and 0 < SPREAD * min(every) < max(every):
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
    fewest, most = min(row.seeds for row in rows), max(row.seeds for row in rows)
    seeds = "one fresh seed" if most == 1 else f"{fewest if fewest == most else f'{fewest} to {most}'} fresh seeds"
    axes.set_title(f"What each gave on {seeds}", fontsize=10, loc="left")
    axes.grid(visible=False, axis="y")


def _finals(comparison: Comparison, row: Row) -> list[float]:
    """Return what the fresh seeds gave, as the ranking counts it: a diverged run as if nothing had been learned."""
    from ratesmith.experiment.standing import capped

    values = [capped(run, comparison.metric) for run in comparison.runs_of(row.chosen, row.base_lr)]
    return [value for value in values if value is not None]


def draw_candidates(candidates: Candidates, ax: Any = None) -> Figure | Any:
    """Return a picture of the runs so far, and of the losses that each candidate promises, the best with its band."""
    axes = _axes() if ax is None else ax
    forecaster = candidates.forecaster
    for curve in forecaster.curves:
        axes.plot(curve.steps, curve.losses, ".", color=BASELINE, ms=3, label=_plain(_cut(curve.name, LONGEST_LABEL)))
    for place, row in enumerate(candidates.rows):
        _draw_losses(row.prediction, _look(place), axes, band=place == 0)
    tops = [float(curve.losses[curve.steps >= 0.2 * curve.length].max(initial=0)) for curve in forecaster.curves]
    lows = [float(row.prediction.low()[-1]) for row in candidates.rows]
    lows += [float(curve.losses.min()) for curve in forecaster.curves]
    room = 0.05 * (max(tops) - min(lows))
    axes.set(ylim=(min(lows) - room, max(tops) + room))
    return _labelled_losses(axes, "Losses to come: the band holds 80 % if the law does")


def draw_prediction(prediction: Prediction, ax: Any = None) -> Figure | Any:
    """Return a picture of the losses that a schedule promises, with the band of 80 %."""
    axes = _axes() if ax is None else ax
    _draw_losses(prediction, _look(len(axes.lines)), axes, band=True)
    return _labelled_losses(axes, "")


def draw_curve(curve: Curve, ax: Any = None) -> Figure | Any:
    """Return a picture of the losses that were measured in a run."""
    axes = _axes() if ax is None else ax
    name = _plain(_cut(curve.name, LONGEST_LABEL))
    axes.plot(curve.steps, curve.losses, label=name, **_look(len(axes.lines)))
    return _labelled_losses(axes, "")


def _draw_losses(prediction: Prediction, look: Mapping[str, Any], axes: Any, band: bool) -> None:
    if band:
        axes.fill_between(prediction.steps, prediction.low(), prediction.high(), color=look["color"], alpha=0.15, lw=0)
    axes.plot(prediction.steps, prediction.losses, label=_plain(_cut(prediction.name, LONGEST_LABEL)), **look)


def _labelled_losses(axes: Any, title: str) -> Any:
    axes.set(xlabel="step", ylabel="loss")
    if title:
        axes.set_title(title, fontsize=10, loc="left")
    axes.legend(frameon=False, fontsize=8)
    return axes.figure


def _axes() -> Any:
    """Return the empty axes of a picture of the size and style that all have."""
    return _styled(Picture(figsize=(7.2, 3.6), dpi=150, layout="constrained").subplots())


def _styled(axes: Any) -> Any:
    axes.grid(alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)
    return axes


def _look(place: int) -> dict[str, Any]:
    """Return the colour and dash of a line by its place."""
    return {"color": COLOURS[place % len(COLOURS)], "ls": DASHES[place % len(DASHES)], "lw": 1.6}


def _name(value: Schedule | Adaptive[Any]) -> str:
    """Return what a curve is called: the notation that it was built from, if that is known."""
    return _cut(value._notation or str(value), LONGEST_LABEL)


def _plain(label: str) -> str:
    """Return a label in which no dollar sign begins a formula, and no underscore hides it from the legend."""
    return label.replace("$", r"\$").removeprefix("_")


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}..."


PLOTS.update(
    {
        "ratesmith.schedule.base.Schedule": draw_schedule,
        "ratesmith.controllers.base.Adaptive": draw_controller,
        "ratesmith.finder.result.FinderResult": draw_finder_result,
        "ratesmith.experiment.comparison.Comparison": draw_comparison,
        "ratesmith.forecast.results.Candidates": draw_candidates,
        "ratesmith.forecast.results.Prediction": draw_prediction,
        "ratesmith.logs.curve.Curve": draw_curve,
    }
)
