"""A small GPT on the letters of Python's own documentation, with all that a large training has.

Batches are drawn by a function, two of them make one update, in mixed precision, with clipped gradients and two groups
of weights; the model returns its loss. As a task it is the function at the end.
"""

import pydoc_data.topics

import torch
from torch import Tensor, nn

from ratesmith.torch import TorchTask

TEXT = "".join(pydoc_data.topics.topics.values())[:300_000]
LETTERS = sorted(set(TEXT))
CODES = torch.tensor([LETTERS.index(letter) for letter in TEXT])
DATA = {"train": CODES[:270_000], "validation": CODES[270_000:]}
BLOCK, BATCH, WIDTH = 32, 8, 48


def get_batch(split: str) -> tuple[Tensor, Tensor]:
    """Return windows of the text, and the same one letter later."""
    starts = torch.randint(len(DATA[split]) - BLOCK, (BATCH,))
    windows = torch.stack([DATA[split][start : start + BLOCK + 1] for start in starts])
    return windows[:, :-1], windows[:, 1:]


class Block(nn.Module):
    """Attention to what came before, and a layer of its own for each place."""

    def __init__(self) -> None:
        """Make the layers."""
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)])
        self.mixed, self.joined = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.inner = nn.Sequential(nn.Linear(WIDTH, 4 * WIDTH), nn.GELU(), nn.Linear(4 * WIDTH, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        """Add both to what comes in."""
        mixed = self.mixed(self.norms[0](x)).chunk(3, dim=-1)
        query, key, value = (part.unflatten(-1, (4, -1)).transpose(1, 2) for part in mixed)
        attended = nn.functional.scaled_dot_product_attention(query, key, value, is_causal=True)
        x = x + self.joined(attended.transpose(1, 2).flatten(2))
        deeper: Tensor = self.inner(self.norms[1](x))
        return x + deeper


class GPT(nn.Module):
    """Two blocks between an embedding and a layer of its transpose."""

    def __init__(self) -> None:
        """Make the layers."""
        super().__init__()
        self.letters, self.places = nn.Embedding(len(LETTERS), WIDTH), nn.Embedding(BLOCK, WIDTH)
        self.blocks, self.norm = nn.Sequential(Block(), Block()), nn.LayerNorm(WIDTH)
        self.head = nn.Linear(WIDTH, len(LETTERS), bias=False)

    def forward(self, x: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Return the logits, and the loss if there are targets."""
        x = self.letters(x) + self.places(torch.arange(x.shape[1]))
        logits = self.head(self.norm(self.blocks(x)))
        return logits, None if targets is None else nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())


def configure(model: nn.Module) -> torch.optim.Optimizer:
    """Return AdamW with weight decay for matrices alone."""
    decayed = [weight for weight in model.parameters() if weight.dim() >= 2]
    others = [weight for weight in model.parameters() if weight.dim() < 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=1e-3, betas=(0.9, 0.95))


def plain_update(model: nn.Module, optimizer: torch.optim.Optimizer) -> float:
    """Make one update as a script does, and return the loss before it: what the task below does too."""
    total = 0.0
    for _ in range(2):
        inputs, targets = get_batch("train")
        with torch.autocast("cpu", dtype=torch.bfloat16):
            _, loss = model(inputs, targets)
            loss = loss / 2
        loss.backward()
        total += loss.item()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return total


def task() -> TorchTask:
    """Return the training as a task."""
    return TorchTask(
        model=GPT,
        optimizer=configure,
        train=lambda: get_batch("train"),
        validation=lambda: get_batch("validation"),
        validation_batches=20,
        steps_per_epoch=50,
        accumulate=2,
        clip_norm=1.0,
        autocast=lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    )
