"""Two made-up runs that follow the laws' form, with a little noise, as log files."""

import numpy as np

from ratesmith import Horizon, parse


def curve(text, steps, seed, base_lr=1e-3):
    """Return steps, rates and losses: a power of progress, and noise that follows the rate with a delay."""
    schedule = parse(text).build(Horizon(steps))
    rates = base_lr * np.asarray(schedule(np.arange(steps, dtype=float))) * np.ones(steps)
    progress, noise, at = np.cumsum((rates / base_lr) ** 0.7), 0.0, []
    for rate in rates / base_lr:
        noise += 0.01 * rate * (rate**0.7 - noise)
        at.append(noise)
    losses = 2.5 + 1.2 * (progress / 1000 + 0.002) ** -0.45 + 0.25 * np.array(at)
    losses = losses * (1 + np.random.default_rng(seed).normal(0, 5e-4, steps))
    known = np.arange(50, steps + 1, 50)
    return known, rates[known - 1], losses[known - 1]


def write_runs(folder):
    """Write three runs and give their files: constant, cosine to a tenth, linear."""
    texts = {"constant": "constant()", "cosine": "cosine(final=0.1)", "linear": "linear()"}
    files = []
    for seed, (name, text) in enumerate(texts.items()):
        rows = zip(*curve(f"warmup(100) >> {text}", 4000, seed), strict=True)
        files.append(folder / f"{name}.csv")
        files[-1].write_text("step,lr,val_loss\n" + "".join(f"{s},{r:.9g},{v:.6f}\n" for s, r, v in rows))
    return files
