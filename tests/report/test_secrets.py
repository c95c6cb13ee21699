"""No password or token of a command line is shown, and nothing else is taken out of it."""

import shlex

import pytest

from ratesmith.report import write_html
from ratesmith.report.secrets import without_secrets

SECRETS = [
    ["--hf-token", "s3cret"],
    ["--hf_token=s3cret"],
    ["--api_key=s3cret"],
    ["--api-key", "s3cret"],
    ["--apiKey", "s3cret"],
    ["--key=s3cret"],
    ["WANDB_API_KEY=s3cret"],
    ["--password", "s3cret with blanks, and 'quotes'"],
    ["--client-secret=s3cret with blanks"],
    ["trainer.hub.token=s3cret"],
    ["HFTOKEN=s3cret"],
    ["--mlflow", "http://me:s3cret@host:5000"],
    ["--url", "https://host/api?token=s3cret&page=2"],
    ["--config", '{"hub_token": "s3cret", "lr": 0.1}'],
    ["--launch", "env HF_TOKEN=s3cret torchrun --nproc-per-node 2"],
    ["--launch", "run --api-key s3cret"],
    ["--token", "-s3cret"],
]


@pytest.mark.parametrize("words", SECRETS, ids=shlex.join)
def test_a_secret_is_hidden_and_what_stands_around_it_stays(words):
    shown = shlex.split(without_secrets(shlex.join(["ratesmith", "compare", *words, "--lr", "0.1"])))
    assert "s3cret" not in " ".join(shown)
    assert shown[:2] == ["ratesmith", "compare"]
    assert shown[-2:] == ["--lr", "0.1"]
    assert len(shown) == len(words) + 4


def test_a_line_without_a_secret_stays_as_it_was_written():
    for line in (
        "ratesmith compare 'x' --strategy 'plateau(metric=\"loss\", mode=\"min\")'",
        "ratesmith find train.py -- --tokenizer bpe --max-tokens 100 --key-size 3 --use-author me",
        "a quote that's never closed",
        "",
    ):
        assert without_secrets(line) == line


def test_a_quote_that_is_never_closed_hides_a_token_all_the_same():
    assert "s3cret" not in without_secrets("it's run by --token s3cret")


def test_no_page_shows_a_token_of_its_command(tmp_path):
    from ratesmith.finder import Curve, FinderResult

    curve = Curve("sweep", "seed 0", (0.1, 1.0), (1.0, 0.5), (1.0, 0.5), 0.3)
    found = FinderResult("sweep", 0.3, (0.3, 0.3), (), (curve,), 2, 0.1, 0.1)
    page = write_html(found, tmp_path / "found.html", command="ratesmith find train.py -- --hf-token s3cret")
    text = page.read_text(encoding="utf-8")
    assert "s3cret" not in text
    assert "ratesmith find train.py -- --hf-token HIDDEN" in text
