"""Runs for the tests of forecasts: made by a law, or public curves where their folder is there."""

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest

from ratesmith.forecast import Curve

ROOT = Path(__file__).parents[1]
CURVES = Path(os.environ.get("RATESMITH_CURVES", ROOT.parent / "shared" / "curves"))
TRUE = {"l0": 2.5, "a": 0.4, "alpha": 0.5, "b": 0.3, "tau": 100.0, "p": 0.65, "q": 0.7}


def rates(shape, steps=4000, peak=1e-3, warmup=100, final=0.0):
    """Return the rates of a few usual schedules."""
    t = np.arange(1, steps + 1, dtype=float)
    share = np.clip((t - warmup) / (steps - warmup), 0, 1)
    factors = {
        "constant": np.ones(steps),
        "cosine": final + (1 - final) * (1 + np.cos(np.pi * share)) / 2,
        "linear": final + (1 - final) * (1 - share),
        "wsd": final + (1 - final) * np.clip((1 - share) / 0.2, 0, 1),
        "jump": np.where(t <= steps // 2, 1.0, 0.1),
        "cyclic": 0.55 + 0.45 * np.cos(2 * np.pi * t / 700),
    }[shape]
    return peak * np.minimum(1, t / warmup) * factors


def slow_losses(rate, peak=1e-3, s_ref=4000.0, **change):
    """Return the loss after every step by the two-clock law, one step after the other."""
    true = {**TRUE, **change}
    s = n = 0.0
    losses = []
    for value in rate:
        u = value / peak
        s += max(u, 1e-9) ** true["p"]
        n += (1 - np.exp(-u / true["tau"])) * (u ** true["q"] - n)
        losses.append(true["l0"] + true["a"] * (s / s_ref) ** -true["alpha"] + true["b"] * n)
    return np.array(losses)


def run(shape, steps=4000, noise=0.0, every=40, name=None, **options):
    """Return a run that the two-clock law made."""
    change = options.pop("change", {})
    rate = rates(shape, steps, **options)
    at = np.arange(every, steps + 1, every)
    losses = slow_losses(rate, **change)[at - 1]
    losses = losses * (1 + noise * np.random.default_rng(len(shape) + steps).standard_normal(len(at)))
    return Curve(name or f"{shape}_{steps}", rate, at, losses)


def public_groups():
    """Return the public curves, or skip the test."""
    if not (CURVES / "multipowerlaw").is_dir():
        pytest.skip("the folder of public curves is not here")
    if "forecast_public" not in sys.modules:
        spec = importlib.util.spec_from_file_location("forecast_public", ROOT / "benchmarks" / "forecast" / "curves.py")
        sys.modules["forecast_public"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return sys.modules["forecast_public"].groups(CURVES)
