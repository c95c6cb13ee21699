"""The sentences of choice: every word follows from the intervals that the table prints."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ranked_rows import BETTER, TIED, WIDE, WORSE, concluded, ranked, row_of

from ratesmith.experiment.answer import against_best, conclusion_to_best
from ratesmith.experiment.wording import mirrored

COSINE = row_of("cosine()", 0.5, BETTER)
CASES = {
    "better than all": (
        [COSINE, row_of("constant()", 1.0, None, (0.2, 1.0))],
        "cosine() is best, with lr=0.1. It beats constant() by 18 to 63 %.",
        "Use cosine() with lr=0.1: 18 to 63 % lower loss than constant().",
    ),
    "better than the baseline, and another may be as good": (
        [COSINE, row_of("linear()", 0.51, BETTER, WIDE), row_of("constant()", 1.0, None, (0.2, 1.0))],
        "cosine() comes first, with lr=0.1. It beats constant() by 18 to 63 %. linear() may be as good.",
        "Use cosine() with lr=0.1: 18 to 63 % lower loss than constant().",
    ),
    "others tie with it, may be as good, and are worse": (
        [
            COSINE,
            row_of("linear()", 0.51, BETTER, TIED),
            row_of("rex()", 0.51, BETTER, TIED),
            row_of("wsd()", 0.52, WIDE, WIDE),
            row_of("constant()", 1.0, None, (0.2, 1.0)),
            row_of("greedy()", 1.5, WORSE, WORSE),
        ],
        "cosine() comes first, with lr=0.1. It beats constant() by 18 to 63 %. linear() and rex() are as good "
        "within 1 %. wsd() may be as good.",
        "Use cosine() with lr=0.1: 18 to 63 % lower loss than constant().",
    ),
    "a tie with the baseline": (
        [row_of("cosine()", 0.99, TIED), row_of("constant()", 1.0, None, (-0.002, 0.005))],
        "No strategy is shown to beat the baseline constant(). cosine() comes first, with lr=0.1. It ties with "
        "constant() (within 1 %).",
        "cosine() with lr=0.1 comes first; it ties with constant() (within 1 %).",
    ),
    "not told apart from the baseline": (
        [
            row_of("cosine()", 0.99, WIDE),
            row_of("linear()", 0.995, WIDE, WIDE),
            row_of("constant()", 1.0, None, (-0.02, 0.03)),
            row_of("greedy()", 1.5, WORSE, WIDE),
        ],
        "No strategy is shown to beat the baseline constant(). cosine() comes first, with lr=0.1. It is not told apart "
        "from constant() by 10 seeds (-3 to +2 %). linear() may be as good.",
        "cosine() with lr=0.1 comes first, but is not shown to beat constant().",
    ),
    "the second is shown to beat the baseline, and the first is not": (
        [
            row_of("cosine()", 0.9, WIDE),
            row_of("linear()", 0.92, BETTER, WIDE),
            row_of("constant()", 1.0, None, (-0.02, 0.03)),
        ],
        "cosine() comes first, with lr=0.1. It is not told apart from constant() by 10 seeds (-3 to +2 %). linear() "
        "beats constant() by 18 to 63 %. linear() may be as good.",
        "cosine() with lr=0.1 comes first, but is not shown to beat constant().",
    ),
    "the baseline first, and the only other is worse": (
        [row_of("constant()", 1.0), row_of("cosine()", 1.1, WORSE, WORSE)],
        "Keep constant(), with lr=0.1. cosine() is worse, by 4.1 to 9.4 %.",
        "Keep constant() with lr=0.1: all others are worse.",
    ),
    "the baseline first, and all others are worse": (
        [row_of("constant()", 1.0), row_of("cosine()", 1.1, WORSE, WORSE), row_of("linear()", 1.1, WORSE, WORSE)],
        "Keep constant(), with lr=0.1. All others are worse.",
        "Keep constant() with lr=0.1: all others are worse.",
    ),
    "the baseline first, and one of two others is worse": (
        [row_of("constant()", 1.0), row_of("cosine()", 1.0, WIDE, WIDE), row_of("linear()", 1.1, WORSE, WORSE)],
        "Keep constant(), with lr=0.1. No strategy is shown to beat it. cosine() may be as good.",
        "Keep constant() with lr=0.1: no strategy is shown to beat it.",
    ),
    "the baseline first, and the others tie": (
        [row_of("constant()", 1.0), row_of("cosine()", 1.0, TIED, TIED)],
        "Keep constant(), with lr=0.1. No strategy is shown to beat it. cosine() is as good within 1 %.",
        "Keep constant() with lr=0.1: the others tie with it.",
    ),
    "one strategy": (
        [row_of("constant()", 1.1)],
        "constant() with lr=0.1 gave loss 1.1. Nothing stands beside it.",
        "constant() with lr=0.1: loss 1.1; nothing stands beside it.",
    ),
    "one seed": (
        [row_of("cosine()", 0.5, -0.7, pairs=1), row_of("constant()", 1.0, None, 0.7, pairs=1)],
        "cosine() comes first, with lr=0.1. One seed tells nothing apart.",
        "cosine() with lr=0.1 comes first; one seed tells nothing apart.",
    ),
    "two seeds": (
        [row_of("constant()", 1.0, pairs=2), row_of("cosine()", 1.5, 0.4, 0.4, pairs=2)],
        "constant() comes first, with lr=0.1. 2 seeds tell nothing apart.",
        "constant() with lr=0.1 comes first; 2 seeds tell nothing apart.",
    ),
    "no other ended well": (
        [COSINE, row_of("constant()", None, rate=None)],
        "cosine() alone ended well, with lr=0.1.",
        "Use cosine() with lr=0.1: no other strategy ended well.",
    ),
    "the baseline ended well at no rate": (
        [row_of("cosine()", 0.5), row_of("linear()", 0.6, None, WORSE), row_of("constant()", None, rate=None)],
        "cosine() is best, with lr=0.1. The baseline constant() ended well at no rate.",
        "Use cosine() with lr=0.1: the baseline constant() ended well at no rate.",
    ),
    "the baseline has no seed in common with the first": (
        [row_of("cosine()", 0.5), row_of("linear()", 0.6, None, WORSE), row_of("constant()", 0.9)],
        "cosine() comes first, with lr=0.1. It has no seed in common with constant().",
        "Use cosine() with lr=0.1: it has no seed in common with constant().",
    ),
    "what lacks seeds stands below, though it is better on those that it ended": (
        [
            row_of("cosine()", 1.0, WORSE, pairs=4),
            row_of("constant()", 0.9, None, (-0.09, -0.04), missing=2),
            row_of("linear()", 0.9, TIED, BETTER, missing=2),
        ],
        "No strategy is shown to beat the baseline constant(). cosine() comes first, with lr=0.1. constant() is "
        "better on the 4 seeds that both ended. linear() is better on the seeds that both ended.",
        "cosine() with lr=0.1 comes first; constant() and linear() did better on fewer seeds.",
    ),
    "the baseline first, and another is better on fewer seeds": (
        [row_of("constant()", 1.0), row_of("cosine()", 0.9, BETTER, BETTER, missing=2)],
        "constant() comes first, with lr=0.1. cosine() is better on the seeds that both ended.",
        "constant() with lr=0.1 comes first; cosine() did better on fewer seeds.",
    ),
    "worse than a baseline that the first beats": (
        [COSINE, row_of("constant()", 1.0, None, (0.2, 1.0)), row_of("greedy()", 1.5, WORSE, WIDE)],
        "cosine() is best, with lr=0.1. It beats constant() by 18 to 63 %.",
        "Use cosine() with lr=0.1: 18 to 63 % lower loss than constant().",
    ),
    "a name with braces": (
        [row_of('plateau(metric="{x}")', 0.5, BETTER), row_of("constant()", 1.0, None, (0.2, 1.0))],
        'plateau(metric="{x}") is best, with lr=0.1. It beats constant() by 18 to 63 %.',
        'Use plateau(metric="{x}") with lr=0.1: 18 to 63 % lower loss than constant().',
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_the_answer_is_the_sentences_that_its_intervals_allow(case):
    rows, verdict, headline = CASES[case]
    comparison = ranked(*rows)
    assert comparison.verdict() == verdict
    assert comparison.headline() == headline
    assert len(headline.split()) <= 20
    assert all(len(sentence.split()) < 30 for sentence in verdict.split(". "))


def test_a_metric_that_is_better_large_differs_in_its_own_numbers():
    large = {"mode": "max", "metric": "accuracy"}
    first, second = (
        row_of("cosine()", 0.95, (0.008, 0.014), **large),
        row_of("constant()", 0.94, None, (-0.1, 0.1), **large),
    )
    other = row_of("linear()", 0.93, (-0.03, -0.02), (-0.05, -0.03), **large)
    comparison = ranked(first, second, other, **large)
    assert comparison.verdict() == ("cosine() is best, with lr=0.1. It beats constant() by 0.008 to 0.014 in accuracy.")
    assert comparison.headline() == "Use cosine() with lr=0.1: 0.008 to 0.014 higher accuracy than constant()."
    kept = ranked(
        row_of("constant()", 0.94, **large), row_of("linear()", 0.92, (-0.03, -0.02), (-0.03, -0.02), **large), **large
    )
    assert kept.verdict() == "Keep constant(), with lr=0.1. linear() is worse, by 0.02 to 0.03 in accuracy."


def test_a_metric_that_may_be_below_0_differs_in_its_own_numbers():
    rows = (
        row_of("cosine()", -3.5, (-1.5, -0.5), metric="elbo"),
        row_of("constant()", -2.5, None, (0.5, 1.5), metric="elbo"),
    )
    comparison = ranked(*rows, metric="elbo")
    assert comparison.verdict() == "cosine() is best, with lr=0.1. It beats constant() by 0.5 to 1.5 in elbo."
    assert comparison.headline() == "Use cosine() with lr=0.1: 0.5 to 1.5 lower elbo than constant()."
    tied = ranked(row_of("cosine()", -3.5, (-0.005, 0.005)), row_of("constant()", -3.5, None, (-0.005, 0.005)))
    assert "(within 0.01)" in tied.verdict()


def test_a_pair_of_strategies_has_one_interval_whichever_of_the_two_is_asked():
    comparison = ranked(COSINE, row_of("constant()", 1.0, None, WIDE))
    assert against_best(comparison, comparison.rows[1]) == mirrored(COSINE.difference)
    assert comparison.table()[1]["against_best"] == "worse"
    assert comparison.to_dict()["rows"][1]["to_best"]["conclusion"] == "worse"


SPANS = st.tuples(st.floats(-2, 2), st.floats(0, 0.5))


@st.composite
def comparisons(draw):
    """Draw rows in the order of their printed numbers, with any intervals: some without a rate, or a difference."""
    names = draw(st.permutations(["constant()", "cosine()", "linear()", "wsd()"]))[: draw(st.integers(1, 4))]
    mode = draw(st.sampled_from(["min", "max"]))
    values = sorted(draw(st.lists(st.floats(0.1, 9), min_size=4, max_size=4)), reverse=mode == "max")
    without = draw(st.integers(0, len(names) - 1))
    rows = []
    for place, (name, value) in enumerate(zip(names, values, strict=False)):
        if place >= len(names) - without:
            rows.append(row_of(name, None, rate=None, mode=mode))
            continue
        spans = [draw(st.none() | SPANS), draw(SPANS)]
        ends = [None if span is None else (span[0] - span[1], span[0] + span[1]) for span in spans]
        to_baseline = ends[0] if "constant()" in names[: len(names) - without] and name != "constant()" else None
        rows.append(row_of(name, value, to_baseline, ends[1] if place else None, mode=mode))
    return ranked(*rows, mode=mode)


def sentence_with(words, comparison):
    return " ".join(sentence for sentence in re.split(r"(?<=[.)]) ", comparison.verdict()) if words in sentence)


@given(comparisons())
def test_no_sentence_contradicts_another_or_the_table(comparison):
    verdict, table = comparison.verdict(), {each["strategy"]: each for each in comparison.table()}
    first = comparison.rows[0].strategy
    for words in ("may be as good", "as good within"):
        for name in table:
            if name in sentence_with(words, comparison):
                assert table[name]["against_best"] == ("tie" if "within" in words else "not told apart")
                assert table[name]["against_baseline"] != "worse"
                assert name != first
    judged = [each for each in table.values() if each["base_lr"] is not None and each["strategy"] != first]
    if f"{first} is best" in verdict or "All others are worse" in verdict:
        assert {each["against_best"] for each in judged} == {"worse"}
        assert "as good" not in verdict
    if "No strategy is shown to beat" in verdict:
        assert all(each["against_baseline"] != "better" for each in table.values())
        assert "beats constant()" not in verdict
    if "It beats constant()" in verdict:
        assert table[first]["against_baseline"] == "better"
        assert table.get("constant()", {"against_best": "worse"})["against_best"] == "worse"
    assert comparison.headline().startswith(("Use", "Keep", first))
    assert len(comparison.headline().split()) <= 20


@given(comparisons())
def test_the_word_beside_an_interval_follows_from_it_or_from_the_baselines(comparison):
    for each in comparison.rows:
        difference = against_best(comparison, each)
        if difference is not None:
            word = conclusion_to_best(comparison, each)
            assert difference.conclusion == concluded(difference.low, difference.high, comparison.question.mode)
            assert word in (difference.conclusion, "worse")
            beaten = each.difference is not None and each.difference.conclusion == "worse"
            assert beaten or word == difference.conclusion
