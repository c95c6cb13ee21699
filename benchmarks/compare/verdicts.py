"""The verdict of a comparison, judged on simulated runs whose true differences are known.

One of five to eight strategies is better than the rest by 0 to 20 %; paired differences vary by 2.8 % from seed to
seed. Three rules judge the same runs: Ratesmith's, which adds seeds from 3 to 10 until all is settled; five seeds with
paired t tests and Holm's correction; and Optuna's WilcoxonPruner, looked at after each seed. Nothing is trained.

    pip install "optuna>=5"
    python benchmarks/compare/verdicts.py [--quick] [--markdown]
"""

import argparse
import importlib.metadata
import math
import platform
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import optuna
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy import stats

from ratesmith.experiment.question import Question
from ratesmith.experiment.standing import Standing
from ratesmith.experiment.stopping import FIRST_SEEDS, further

CAP = 10
DEVIATION = 0.028
"""Of a paired difference, in logarithms of the loss."""
HARDNESS = 0.1
"""By how much seeds differ, for all strategies alike."""
GAINS = (0.0, 0.02, 0.05, 0.1, 0.2)
MARGIN = 0.01
FIXED = 5
REPETITIONS = 1000
BASELINE, BETTER = "strategy 0", "strategy 1"
WAYS: Final = {"better": -1, "worse": 1}


class Setting(NamedTuple):
    """One kind of comparison."""

    strategies: int
    noise: str
    """"normal", "heavy" (Student's t with 3 degrees of freedom) or "one noisy" (three times the deviation)."""
    gain: float
    paired: bool = True

    def losses(self, repetition: int) -> np.ndarray:
        """Return the logarithm of the loss of every strategy and seed."""
        key = [repetition, self.strategies, ("normal", "heavy", "one noisy").index(self.noise), round(1e4 * self.gain)]
        rng = np.random.default_rng(key)
        shape = (self.strategies, CAP)
        noise = rng.standard_t(3, shape) / math.sqrt(3) if self.noise == "heavy" else rng.standard_normal(shape)
        noise *= DEVIATION / math.sqrt(2)
        if self.noise == "one noisy":
            noise[-1] *= 3
        noise[1] -= self.gain
        return noise + (rng.normal(0, HARDNESS, CAP) if self.paired else 0.0)

    def true(self, name: str, other: str) -> float:
        """Return the true difference of two strategies."""
        return -self.gain * ((name == BETTER) - (other == BETTER))


class Claim(NamedTuple):
    """What a rule says of two strategies: the word, and the interval beside it if it has one."""

    name: str
    other: str
    word: str
    low: float = -math.inf
    high: float = math.inf


class Answer(NamedTuple):
    """What a rule says of a comparison, and the seeds that it took: of a strategy in the mean."""

    claims: Sequence[Claim]
    seeds: float
    until: int = 0
    """After how many seeds the better one was first called better than the baseline; 0 if never, or not looked for."""


Rule = Callable[[Setting, np.ndarray], Answer]


def sequential(setting: Setting, losses: np.ndarray) -> Answer:
    """Judge as a comparison does."""
    names = [f"strategy {place}" for place in range(setting.strategies)]
    families: dict[str, tuple[str, ...]] = {name: (name,) for name in names}
    question = Question(families, BASELINE, "loss", "min", MARGIN, (0,), tuple(range(CAP)), paired=setting.paired)
    asked, until = dict.fromkeys(names, FIRST_SEEDS), 0
    values = np.exp(losses).tolist()
    while True:
        finals = {name: dict(enumerate(row[: asked[name]])) for name, row in zip(names, values, strict=True)}
        standing = Standing(finals, dict(asked), question)
        told = standing.difference(BETTER, BASELINE)
        if not until and told is not None and told.conclusion == "better":
            until = told.pairs
        more = further(standing)
        if not more:
            break
        for name in more:
            asked[name] += 1
    claims = []
    for name, other in _rows(standing.order):
        difference = standing.difference(name, other)
        assert difference is not None
        assert difference.low is not None
        assert difference.high is not None
        claims.append(Claim(name, other, difference.conclusion, difference.low, difference.high))
    return Answer(claims, float(np.mean(list(asked.values()))), until or CAP)


def fixed(setting: Setting, losses: np.ndarray) -> Answer:
    """Judge by five seeds: paired t tests with Holm's correction, one family for each column, and plain intervals."""
    names = [f"strategy {place}" for place in range(setting.strategies)]
    runs = dict(zip(names, losses[:, :FIXED], strict=True))
    pairs = _rows(sorted(names, key=lambda name: float(runs[name].mean())))
    claims = []
    for family in ([pair for pair in pairs if pair[1] == BASELINE], [pair for pair in pairs if pair[1] != BASELINE]):
        tests = [stats.ttest_rel(runs[name], runs[other]) for name, other in family]
        claims += [
            Claim(*pair, _word(test, p), *test.confidence_interval(0.95))
            for pair, test, p in zip(family, tests, _holm([test.pvalue for test in tests]), strict=True)
        ]
    return Answer(claims, FIXED)


def _word(test: "stats._result_classes.TtestResult", p: float) -> str:
    low, high = test.confidence_interval(0.95)
    if low >= -MARGIN and high <= MARGIN:
        return "tie"
    if p > 0.05 or low <= 0.0 <= high:
        return "not told apart"
    return "better" if high < 0.0 else "worse"


def _holm(values: Sequence[float]) -> list[float]:
    """Return p values after Holm's correction (1979)."""
    order = sorted(range(len(values)), key=values.__getitem__)
    corrections, highest = [0.0] * len(values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - rank) * values[place]))
        corrections[place] = highest
    return corrections


def wilcoxon(setting: Setting, losses: np.ndarray) -> Answer:
    """Judge by Optuna's pruner: the better one gets all seeds, then the others one by one against the best so far."""
    study = optuna.create_study(pruner=optuna.pruners.WilcoxonPruner(p_threshold=0.05))
    names = [f"strategy {place}" for place in (1, 0, *range(2, setting.strategies))]
    best, claims, seeds = names[0], [], []
    for name in names:
        values = losses[int(name.split()[1])].tolist()
        trial = study.ask()
        pruned = False
        for seed, value in enumerate(values):
            trial.report(value, seed)
            pruned = trial.should_prune()
            if pruned:
                break
        seeds.append(seed + 1)
        if pruned:
            claims.append(Claim(best, name, "better"))
            study.tell(trial, state=optuna.trial.TrialState.PRUNED)
        else:
            study.tell(trial, float(np.mean(values)))
            best = names[study.best_trial.number]
    return Answer(claims, float(np.mean(seeds)))


def _rows(order: Sequence[str]) -> list[tuple[str, str]]:
    """Return the pairs that a table shows: each against the baseline, and against the best."""
    pairs = [(name, other) for other in (BASELINE, order[0]) for name in order if name != other]
    return list(dict.fromkeys(pairs))


def measure(rule: Rule, setting: Setting, repetitions: int) -> dict[str, float]:
    """Return how often a rule errs, claims and covers, and the seeds it takes."""
    figures: dict[str, list[float]] = {
        "error": [],
        "wrong sign": [],
        "coverage": [],
        "claimed": [],
        "seeds": [],
        "until": [],
    }
    for repetition in range(repetitions):
        answer = rule(setting, setting.losses(repetition))
        truths = [setting.true(claim.name, claim.other) for claim in answer.claims]
        claims = list(zip(answer.claims, truths, strict=True))
        ways = [(WAYS.get(claim.word, 0), truth) for claim, truth in claims]
        figures["error"].append(any(way and way * truth <= 0 for way, truth in ways))
        figures["wrong sign"].append(any(way * truth < 0 for way, truth in ways))
        figures["coverage"].append(all(claim.low <= truth <= claim.high for claim, truth in claims))
        figures["claimed"].append(any((c.name, c.other, c.word) == (BETTER, BASELINE, "better") for c, _ in claims))
        figures["seeds"].append(answer.seeds)
        figures["until"].append(answer.until)
    return {name: float(np.mean(values)) for name, values in figures.items()}


RULES: Mapping[str, Rule] = {"Ratesmith": sequential, "five seeds, Holm": fixed, "Optuna's Wilcoxon": wilcoxon}


def settings() -> Iterator[tuple[Setting, tuple[str, ...]]]:
    """Yield every kind of comparison, and the rules that judge it."""
    for strategies in (5, 6, 7, 8):
        for noise in ("normal", "heavy"):
            yield Setting(strategies, noise, 0.0), tuple(RULES) if strategies in (5, 8) else ("Ratesmith",)
    for strategies in (2, 5, 8):
        yield Setting(strategies, "one noisy", 0.0), ("Ratesmith",)
        yield Setting(strategies, "normal", 0.0, paired=False), ("Ratesmith",)
    for strategies in (5, 8):
        for noise in ("normal", "heavy"):
            for gain in GAINS[1:]:
                yield Setting(strategies, noise, gain), tuple(RULES)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="40 comparisons of each kind")
    parser.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    given = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
    repetitions = 40 if given.quick else REPETITIONS
    heading = [
        "strategies",
        "noise",
        "true gain",
        "rule",
        "error",
        "wrong sign",
        "intervals hold",
        "claimed",
        "after",
        "seeds",
    ]
    rows = []
    for setting, rules in track(list(settings()), "Judging", console=Console(stderr=True)):
        for name in rules:
            # Optuna's study takes a tenth of a second for each comparison.
            figures = measure(RULES[name], setting, repetitions if name != "Optuna's Wilcoxon" else repetitions // 5)
            holds = "–" if name == "Optuna's Wilcoxon" else f"{100 * figures['coverage']:.1f} %"
            claimed = "–" if not setting.gain else f"{100 * figures['claimed']:.0f} %"
            kind = setting.noise if setting.paired else f"{setting.noise}, not paired"
            shares = [f"{100 * figures[key]:.1f} %" for key in ("error", "wrong sign")]
            after = f"{figures['until']:.1f}" if name == "Ratesmith" and setting.gain else "–"
            counts = [claimed, after, f"{figures['seeds']:.1f}"]
            rows.append([f"{setting.strategies}", kind, f"{100 * setting.gain:g} %", name, *shares, holds, *counts])
    if given.markdown:
        for cells in (heading, ["---"] * len(heading), *rows):
            print(f"| {' | '.join(cells)} |")
    else:
        table = Table(*heading)
        for cells in rows:
            table.add_row(*cells)
        Console().print(table)
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("numpy", "scipy", "optuna")]
    python = f"Python {platform.python_version()}"
    print(f"\nOf {repetitions} comparisons, Optuna's of {repetitions // 5}. {', '.join([python, *versions])}.")


if __name__ == "__main__":
    main()
