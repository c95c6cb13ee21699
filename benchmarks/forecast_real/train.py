"""A small character transformer on text that ships with Python, trained under a schedule; the losses as rows.

python benchmarks/forecast_real/train.py 'warmup(100) >> cosine(final=0.1)' 500
"""

import sys
import sysconfig
from pathlib import Path
from pydoc_data.topics import topics
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ratesmith import Horizon, Schedule, parse

BASE_LR = 3e-3
WIDTH, LAYERS, HEADS, CONTEXT, BATCH = 64, 2, 4, 64, 8
EVERY = 100
"""Updates between measurements."""
VALIDATION = 320
"""Windows of text that each measurement is made on."""
PIECE = 8192
LEFT_OUT = {"site-packages", "dist-packages", "test", "tests", "idlelib", "lib2to3", "encodings", "pydoc_data"}
"""Folders that not every Python has, or that are no text."""


class Row(NamedTuple):
    """One measurement: after `step` updates, of which the last was made at `lr`."""

    step: int
    lr: float
    loss: float
    """On the validation text."""
    train_loss: float
    """The mean over the updates since the measurement before."""


class Block(nn.Module):
    """Attention and two layers, each added to what comes in."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.between = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.query_key_value, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.layers = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        parts = self.query_key_value(self.before(x)).unflatten(-1, (3, HEADS, WIDTH // HEADS))
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        mixed = F.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.out(mixed.transpose(1, 2).flatten(2))
        added: Tensor = self.layers(self.between(x))
        return x + added


class Model(nn.Module):
    """The transformer: about 110,000 parameters, the characters' vectors shared by its two ends."""

    def __init__(self, characters: int) -> None:
        super().__init__()
        self.characters, self.places = nn.Embedding(characters, WIDTH), nn.Embedding(CONTEXT, WIDTH)
        self.blocks = nn.Sequential(*(Block() for _ in range(LAYERS)))
        self.last = nn.LayerNorm(WIDTH)
        for embedding in (self.characters, self.places):
            nn.init.normal_(embedding.weight, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(self.characters(x) + self.places.weight)
        return F.linear(self.last(x), self.characters.weight)


def texts() -> tuple[Tensor, Tensor, int]:
    """Return the text to train on, the text for validation (a twentieth, in pieces), and how many characters there are.

    Python's help topics and the sources of its standard library: more than a run sees, so hardly any is seen twice.
    """
    library = Path(sysconfig.get_path("stdlib"))
    files = [file for file in sorted(library.rglob("*.py")) if not LEFT_OUT & set(file.relative_to(library).parts)]
    whole = "".join(topics.values()) + "".join(file.read_text(encoding="utf-8", errors="ignore") for file in files)
    codes = torch.frombuffer(bytearray(whole, "ascii", "replace"), dtype=torch.uint8).long()
    places = torch.arange(len(codes)) // PIECE % 20
    return codes[places > 0], codes[places == 0], 128


def pieces(text: Tensor, starts: Tensor) -> tuple[Tensor, Tensor]:
    """Cut pieces out of a text, and the same one character later."""
    places = starts[:, None] + torch.arange(CONTEXT)
    return text[places], text[places + 1]


def train(schedule: Schedule, steps: int, seed: int = 0, base_lr: float = BASE_LR) -> list[Row]:
    """Train with AdamW for `steps` updates. Every run of a seed has the same first weights and order of the data."""
    torch.manual_seed(seed)
    text, held, characters = texts()
    model = Model(characters)
    optimizer = torch.optim.AdamW(model.parameters(), lr=base_lr, betas=(0.9, 0.95), weight_decay=0.1)
    order = torch.Generator().manual_seed(seed)
    judged = pieces(held, torch.linspace(0, len(held) - CONTEXT - 2, VALIDATION).long())
    rows, losses = [], []
    for step in range(1, steps + 1):
        rate = base_lr * float(schedule(step - 1))
        optimizer.param_groups[0]["lr"] = rate
        x, y = pieces(text, torch.randint(len(text) - CONTEXT - 1, (BATCH,), generator=order))
        loss = F.cross_entropy(model(x).flatten(0, 1), y.flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
        if step % EVERY == 0 or step == steps:
            with torch.no_grad():
                at_end = F.cross_entropy(model(judged[0]).flatten(0, 1), judged[1].flatten()).item()
            rows.append(Row(step, rate, at_end, sum(losses) / len(losses)))
            losses.clear()
    return rows


if __name__ == "__main__":
    torch.set_num_threads(1)
    length = int(sys.argv[2])
    for row in train(parse(sys.argv[1]).build(Horizon(length)), length):  # type: ignore[arg-type]
        print(*row)
