"""How good the forecasts are on public curves: ours beside both published laws, fitted again without priors.

    python benchmarks/forecast/run.py [--curves FOLDER] [--picture FILE.png]

Every prior of ours is taken from other families than the one that is forecast, and so are the widths of the bands.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from curves import Group, groups

from ratesmith import forecast
from ratesmith.forecast.compare import Pair
from ratesmith.forecast.diagnostics import FAR_OFF, NEAR_LENGTHS
from ratesmith.forecast.laws import LAWS
from ratesmith.forecast.uncertainty import FACTORS, level_of
from ratesmith.logs.curve import Floats

SEEN = ("cosine_24000", "constant_24000", "wsdcon_3")
"""What the multi-power law's own protocol fits on."""
WIDE = 10.0
"""By how much the priors are widened where a law is fitted as published: with none."""
COLOURS = ("#0091D5", "#E69F00")
Priors = dict[str, tuple[float, float]]
VAGUE: Priors = {
    "log alpha": (-0.68, 0.65),
    "log B/A": (0.22, 1.78),
    "log tau": (4.96, 3.4),
    "p": (0.69, 0.33),
    "q": (0.70, 0.45),
}
"""What is believed before a whole group of runs is fitted: parameters that it does not show stay near."""
Maker = Callable[[Sequence[forecast.Curve], Group], forecast.Forecaster]


@dataclass(frozen=True)
class Final:
    """One forecast of a final loss, and what was measured."""

    group: Group
    kind: str
    longer: bool
    forecast: float
    measured: float
    sd: float

    @property
    def error(self) -> float:
        """The forecast less what was measured."""
        return self.forecast - self.measured


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curves", type=Path, default=Path("../shared/curves"), help="the folder of public curves")
    parser.add_argument("--picture", type=Path, metavar="FILE.png", help="draw errors and calibration")
    given = parser.parse_args()
    root = given.curves
    if not (root / "multipowerlaw").is_dir():
        print(f"No curves in {root}: give the folder that holds multipowerlaw/ and llama/ with --curves")
        return
    all_groups = groups(root)
    print("Priors of the two-clock law over all groups (mean, sd), as shipped:")
    print(
        "  " + ", ".join(f"{name} ({mean:.3f}, {sd:.3f})" for name, (mean, sd) in priors(all_groups, "").items()) + "\n"
    )
    learned = {family: priors(all_groups, family) for family in {group.family for group in all_groups}}
    makers: dict[str, Maker] = {
        "two-clock, priors of others": lambda runs, group: forecast.fit(runs, priors=learned[group.family]),
        "two-clock, as shipped": lambda runs, _: forecast.fit(runs),
        "Tissue 2024, refitted": lambda runs, _: bare(runs, "tissue"),
        "multi-power, refitted": lambda runs, _: bare(runs, "multi-power"),
    }
    curves_table(all_groups, makers)
    finals_by_maker = {name: list(finals(all_groups, maker)) for name, maker in makers.items()}
    finals_table(finals_by_maker)
    ours = finals_by_maker["two-clock, priors of others"]
    coverage(ours)
    if given.picture:
        draw(ours, given.picture)
    differences(all_groups, makers["two-clock, priors of others"])
    which_pair(all_groups, makers["two-clock, priors of others"])
    order(all_groups, makers)
    unfinished(all_groups)
    times(all_groups)


def bare(runs: Sequence[forecast.Curve], law: str) -> forecast.Forecaster:
    """Fit a published law without priors: they are made ten times as wide."""
    return forecast.fit(runs, law=law, priors={s.name: (s.mean, WIDE * s.sd) for s in LAWS[law].priors})


def priors(all_groups: Sequence[Group], without: str) -> Priors:
    """Return means and deviations of the shapes over the groups of all other families, each group fitted as a whole."""
    rows = []
    for group in all_groups:
        if group.family != without and len(group.runs) >= 3:
            rows.append(forecast.fit(list(group.runs.values()), priors=VAGUE).fit_result.x[2:])
    table = np.array(rows)
    names = [prior.name for prior in LAWS["default"].priors]
    return {
        name: (float(column.mean()), float(1.5 * column.std(ddof=1)))
        for name, column in zip(names, table.T, strict=True)
    }


def curves_table(all_groups: Sequence[Group], makers: dict[str, Maker]) -> None:
    """Print the multi-power law's own protocol: three runs, the six others at every logged point."""
    print(f"Fit on {' + '.join(SEEN)}, forecast the six others, every logged point")
    print(f"{'':30}{'':7}{'MAE':>8}{'R2':>9}{'worst':>9}{'final':>9}")
    for name, maker in makers.items():
        means = []
        for group in all_groups:
            if not set(SEEN) <= set(group.runs):
                continue
            forecaster = maker([group.runs[seen] for seen in SEEN], group)
            means.append(np.mean([_errors(forecaster, c) for n, c in group.runs.items() if n not in SEEN], axis=0))
            _line(name, group.name.split()[-1], means[-1])
        _line(name, "mean", np.mean(means, axis=0))
    print(f"{'multi-power, its own paper':30}25M     0.0039   0.9975   0.0040\n{'':30}100M    0.0038   0.9982   0.0058")
    print(f"{'to reach':30}mean   <0.0033  >0.9989  <0.0050\n")


def _errors(forecaster: forecast.Forecaster, curve: forecast.Curve) -> tuple[float, ...]:
    error = forecaster.under(curve.name, curve.rates, curve.steps.tolist()).losses - curve.losses
    explained = 1 - (error**2).sum() / ((curve.losses - curve.losses.mean()) ** 2).sum()
    return abs(error).mean(), explained, (abs(error) / curve.losses).max(), abs(error[-1])


def _line(name: str, size: str, values: Sequence[float]) -> None:
    print(f"{name:30}{size:7}" + "".join(f"{value:9.4f}" for value in values))


def finals(all_groups: Sequence[Group], maker: Maker) -> Iterator[Final]:
    """Forecast the last loss of every run from every other run and every pair of others in its group."""
    for group in all_groups:
        for names in seen_sets(group):
            runs = [group.runs[name] for name in names]
            forecaster = maker(runs, group)
            longest = max(run.length for run in runs)
            for name, curve in group.runs.items():
                if name in names or forecaster.grade == "D":
                    continue
                there = forecaster.under(name, curve.rates, [int(curve.steps[-1])])
                longer = curve.length > NEAR_LENGTHS * longest
                yield Final(group, kind_of(names), longer, there.final, float(curve.losses[-1]), float(there.sd[-1]))


def seen_sets(group: Group) -> Iterator[tuple[str, ...]]:
    """Return the runs, and pairs of runs, that were logged from the beginning and often enough."""
    whole = [n for n, c in group.runs.items() if len(c.steps) >= 15 and c.steps[0] < 0.3 * c.length]
    yield from ((name,) for name in whole)
    later = [n for n, c in group.runs.items() if len(c.steps) >= 15 and n not in whole]
    yield from itertools.combinations(whole, 2)
    yield from itertools.product(whole, later)


def kind_of(names: Sequence[str]) -> str:
    """Say what kind of runs were seen."""
    kinds = {name.split("_")[0] for name in names}
    if len(names) == 1:
        return "one constant run" if kinds == {"constant"} else "one annealed run"
    if kinds == {"constant", "cosine"}:
        return "constant + cosine"
    return "two lengths of one schedule" if len(kinds) == 1 else "two other schedules"


def finals_table(finals_by_maker: dict[str, list[Final]]) -> None:
    """Print the mean absolute error of final losses: over the forecasts of a group, then over the groups."""
    print("Final losses, 1e-3: mean |error| over a group, then over groups")
    kinds = list(dict.fromkeys(final.kind for final in next(iter(finals_by_maker.values()))))
    for kind in sorted(kinds):
        for longer in (False, True):
            label = f"{kind}, {'longer than 1.5 x' if longer else 'up to 1.5 x'} the runs"
            sums = {
                name: _by_group([f for f in rows if f.kind == kind and f.longer == longer])
                for name, rows in finals_by_maker.items()
            }
            if next(iter(sums.values()))[1]:
                _print_finals(label, sums)
    for words in ("one annealed run", "two runs"):
        pool = [kind for kind in kinds if (kind == words if words.startswith("one") else not kind.startswith("one"))]
        _print_finals(
            f"{words}, all", {n: _by_group([f for f in rows if f.kind in pool]) for n, rows in finals_by_maker.items()}
        )
    print("(without priors and without annealing seen, the refitted laws do not know B: their largest errors)")
    print("to reach: two runs (constant + cosine) 6.5, one run 10; multi-power's recipe 16.5 and 29\n")


def _by_group(rows: Sequence[Final]) -> tuple[float, int, int]:
    by: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        by[row.group.name].append(abs(row.error))
    return (1e3 * float(np.mean([np.mean(v) for v in by.values()])) if by else 0.0), len(rows), len(by)


def _print_finals(label: str, sums: dict[str, tuple[float, int, int]]) -> None:
    _, count, many = next(iter(sums.values()))
    print(f"{label} ({count} forecasts in {many} groups)")
    for name, (mean, _, _) in sums.items():
        print(f"    {name:30}{mean:8.1f}")


def lab_of(group: Group) -> str:
    """Say who trained the runs: what is left out together for the bands."""
    return group.family.split()[0] if group.family.startswith("multi") else "llama"


def coverage(rows: Sequence[Final]) -> None:
    """Print how many of the forecasts lie in the bands: as shipped, and with widths from the other laboratory alone."""
    print("Coverage of the bands for final losses, 50 / 80 / 95 %; each kind of forecast counts alike")
    scores = np.array([abs(row.error) / row.sd for row in rows])
    cells = [(lab_of(row.group), row.kind, row.longer) for row in rows]
    weights = np.array([1 / max(cells.count(cell), 10) for cell in cells])
    labs = np.array([cell[0] for cell in cells])
    over_all = np.round(_quantiles(scores, weights), 2)
    print("  quantiles of |error| / sd over all:", over_all, "shipped:", list(FACTORS.values()))
    for words, longer in (("up to 1.5 x the runs", False), ("longer", True)):
        here = np.array([cell[2] == longer for cell in cells])
        shares = [float(np.average(scores[here] <= width, weights=weights[here])) for width in FACTORS.values()]
        print(f"  {words:22} as shipped: {_percent(shares)}")
    together = np.zeros(3)
    for lab in sorted(set(labs)):
        here = labs == lab
        widths = _quantiles(scores[~here], weights[~here])
        out = np.array([np.average(scores[here] <= width, weights=weights[here]) for width in widths])
        shipped = [np.average(scores[here] <= width, weights=weights[here]) for width in FACTORS.values()]
        together += out / len(set(labs))
        print(f"  {lab:15} widths from the others: {_percent(out)}   as shipped: {_percent(shipped)}")
    print(f"  {'mean':15} widths from the others: {_percent(together)}   to reach: 45-55 / 74-86 / 90-98\n")


def draw(rows: Sequence[Final], file: Path) -> None:
    """Draw the errors of final losses beside what was measured, and how many lie in bands of each level."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2)
    levels = np.arange(0, 101)
    for (words, longer), colour in zip((("up to 1.5 x the runs", False), ("longer", True)), COLOURS, strict=True):
        here = [row for row in rows if row.longer == longer]
        errors, sd = (np.array([getattr(row, name) for row in here]) for name in ("error", "sd"))
        measured = np.array([row.measured for row in here])
        left.plot(measured, 100 * errors / measured, ".", ms=3, alpha=0.5, color=colour, label=f"{words} ({len(here)})")
        inside = np.sort(100 * level_of(errors, sd))
        right.plot(levels, 100 * np.searchsorted(inside, levels, side="right") / len(here), color=colour, label=words)
    left.axhline(0, color="#888888", lw=0.8)
    right.plot([0, 100], [0, 100], "--", color="#888888", lw=0.8)
    left.set(xlabel="final loss measured", ylabel="forecast less measured, %")
    right.set(xlabel="level of the band, %", ylabel="measured losses inside, %")
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=8)
    figure.savefig(file, dpi=130)


def differences(all_groups: Sequence[Group], maker: Maker) -> None:
    """Print how many differences between measured schedules of one length lie in their bands, two runs seen."""
    scores: dict[str, list[float]] = defaultdict(list)
    chances: list[tuple[float, bool]] = []
    for group in all_groups:
        for names in (names for names in seen_sets(group) if len(names) == 2):
            forecaster = maker([group.runs[n] for n in names], group)
            for first, *others in _same_length(group) if forecaster.grade != "D" else ():
                base = first.rates[: int(first.steps[-1])]
                for row, run in zip(forecaster.rows([_pair(run, base) for run in others]), others, strict=True):
                    apart = float(run.losses[-1] - first.losses[-1])
                    scores[lab_of(group)].append(abs(row.difference - apart) / row.sd)
                    chances.append((row.better, apart < 0))
    print("Coverage of the bands for differences between schedules of one length, 50 / 80 / 95 %")
    for lab, seen in scores.items():
        shares = [float(np.mean(np.array(seen) <= width)) for width in FACTORS.values()]
        print(f"  {lab:15} as shipped: {_percent(shares)}   ({len(seen)} differences)")
    sure = [(better > 0.5) == lower for better, lower in chances if abs(better - 0.5) > 0.4]
    print(f"  of {len(sure)} said with more than 90 % to be better or worse {np.mean(sure):.0%} were\n")


def _pair(run: forecast.Curve, base: Floats) -> Pair:
    return Pair(run.name, run.rates[: int(run.steps[-1])], base)


def _quantiles(scores: Floats, weights: Floats) -> Floats:
    order = np.argsort(scores)
    share = np.cumsum(weights[order]) / weights.sum()
    places = [min(int(np.searchsorted(share, level / 100)), len(scores) - 1) for level in FACTORS]
    quantiles: Floats = scores[order][places]
    return quantiles


def _percent(values: Sequence[float] | Floats) -> str:
    return " / ".join(f"{100 * value:.0f}" for value in values)


def which_pair(all_groups: Sequence[Group], maker: Maker) -> None:
    """Print how well two runs of 24,000 steps forecast the others, by what they are, and how far holdouts are off."""
    print("Two runs of 24,000 steps -> the last losses of the seven others, 1e-3 (25M and 100M)")
    ratios: list[float] = []
    for words, names in (
        ("constant + cosine", ("constant_24000", "cosine_24000")),
        ("constant + WSD", ("constant_24000", "wsdld_20000_24000")),
        ("cosine + WSD", ("cosine_24000", "wsdld_20000_24000")),
        ("constant + drop to a tenth", ("constant_24000", "wsdcon_3")),
        ("cosine + drop to a tenth", ("cosine_24000", "wsdcon_3")),
        ("cosine + drop to 0.3", ("cosine_24000", "wsdcon_9")),
    ):
        means = []
        for group in all_groups:
            if set(names) <= set(group.runs):
                forecaster = maker([group.runs[name] for name in names], group)
                others = [curve for name, curve in group.runs.items() if name not in names]
                means.append(np.mean([_errors(forecaster, curve)[-1] for curve in others]))
        print(f"    {words:30}" + "".join(f"{1e3 * mean:8.1f}" for mean in sorted(means, reverse=True)))
    for group in all_groups:
        for names in (names for names in seen_sets(group) if len(names) == 2):
            ratios += [holdout.ratio for holdout in maker([group.runs[name] for name in names], group).holdouts]
    far = [f"{np.mean(np.array(ratios) > most):.1%} beyond {most:g}" for most in (FAR_OFF, 2 * FAR_OFF)]
    print(f"Runs forecast from one other, in their own deviations: {len(ratios)}, {', '.join(far)}\n")


def order(all_groups: Sequence[Group], makers: dict[str, Maker]) -> None:
    """Print how much above the best measured schedule of a length a choice lies, two runs seen.

    "lowest" is the lowest forecast of the one law, "ranked" what `Candidates` puts first, "mean" no choice at all.
    """
    print("Choice among the measured schedules of one length, from two runs: 1e-3 above the best (and the mean of all)")
    print(f"{'':30}{'lowest':>8}{'ranked':>8}{'mean':>8}")
    for name, maker in makers.items():
        lost, ranked, blind = [], [], []
        for group in all_groups:
            for names in seen_sets(group):
                if len(names) == 2 and kind_of(names) != "two lengths of one schedule":
                    forecaster = maker([group.runs[n] for n in names], group)
                    for runs in _same_length(group):
                        measured = np.array([run.losses[-1] for run in runs])
                        rows = forecaster.rows([_pair(run, runs[0].rates[: int(runs[0].steps[-1])]) for run in runs])
                        lost.append(measured[int(np.argmin([row.final for row in rows]))] - measured.min())
                        ranked.append(measured[int(np.argmin([row.score for row in rows]))] - measured.min())
                        blind.append(measured.mean() - measured.min())
        print(f"{name:30}" + "".join(f"{1e3 * np.mean(values):8.2f}" for values in (lost, ranked, blind)))
    print()


def _same_length(group: Group) -> Iterator[list[forecast.Curve]]:
    by = defaultdict(list)
    for run in group.runs.values():
        by[round(run.length / 500)].append(run)
    yield from (runs for runs in by.values() if len(runs) > 1)


def unfinished(all_groups: Sequence[Group]) -> None:
    """Print how well the end of a run is forecast from its own first part, with the shipped priors."""
    print("The end of an annealed run from its first part, 1e-3, and the coverage of the bands 50 / 80 / 95 %")
    annealed = [c for g in all_groups for n, c in g.runs.items() if len(c.steps) >= 40 and not n.startswith("constant")]
    for share in (0.3, 0.5, 0.7, 0.9):
        errors, scores = [], []
        for run in annealed:
            seen = run.steps <= share * run.length
            if np.count_nonzero(seen) < 18 or run.steps[0] > 0.3 * run.length:
                continue
            forecaster = forecast.fit(forecast.Curve(run.name, run.rates, run.steps[seen], run.losses[seen]))
            if forecaster.grade != "D":
                prediction = forecaster.under(run.name, run.rates, [int(run.steps[-1])])
                errors.append(abs(prediction.final - run.losses[-1]))
                scores.append(errors[-1] / prediction.sd[-1])
        inside = [float(np.mean(np.array(scores) <= width)) for width in FACTORS.values()]
        print(f"    first {share:.0%} ({len(errors)} runs){1e3 * np.mean(errors):8.1f}   {_percent(inside)}")
    print()


def times(all_groups: Sequence[Group]) -> None:
    """Print the time of a fit of two runs and of a forecast for a million steps."""
    pairs = [[g.runs[n] for n in names] for g in all_groups for names in seen_sets(g) if len(names) == 2][:12]
    fits = [_seconds(lambda runs=runs: forecast.fit(runs)) for runs in pairs]  # type: ignore[misc]
    forecaster = forecast.fit(pairs[0])
    forecaster.predict("cosine()", steps=2 * forecaster.longest)
    graded = [_seconds(lambda runs=runs: forecast.fit(runs).inflation) for runs in pairs]  # type: ignore[misc]
    far = min(_seconds(lambda: forecaster.predict('wsd(decay="20%")', steps=1_000_000)) for _ in range(5))
    print(f"A fit of two runs: {np.median(fits):.2f} s, at most {max(fits):.2f} s (to reach 0.3 s)")
    print(f"The same with each run forecast from the other: {np.median(graded):.2f} s, at most {max(graded):.2f} s")
    print(f"A forecast for 1,000,000 steps: {far:.3f} s, the best of 5 (to reach 0.1 s)")
    print(f"A design among 107 schedules of 50,000 steps: {_seconds(lambda: forecaster.design(50_000)):.2f} s")


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
