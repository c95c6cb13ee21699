"""Optuna beside Ratesmith: it searches the other hyper-parameters, a comparison the strategy of the rate.

python with_optuna.py search       Optuna's study: each of its trials is this training, by hand
python with_optuna.py              the training, with the best that Optuna has found
ratesmith compare with_optuna.py   the strategies, with the best that Optuna has found
"""

import sys

import optuna
import ratesmith
import torch
from ratesmith.torch import ScheduleLR
from sklearn.datasets import load_digits
from torch import nn

STORAGE, STUDY, BATCH = "sqlite:///optuna.db", "digits", 32


def train(weight_decay, momentum, hidden):
    """Train once, as the trial asks, and return the loss on the validation set."""
    trial = ratesmith.get_trial(lr=0.1, schedule='warmup("10%") >> cosine()', steps=200, seed=0)
    x, y = (torch.tensor(array) for array in load_digits(return_X_y=True))
    x = x.float() / 16
    torch.manual_seed(trial.seed)
    model = nn.Sequential(nn.Linear(64, hidden), nn.ReLU(), nn.Linear(hidden, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=trial.lr, momentum=momentum, weight_decay=weight_decay)
    ScheduleLR.from_trial(optimizer, trial)
    for step in range(1, trial.steps + 1):
        batch = torch.randint(1200, (BATCH,))
        loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        trial.report_train(loss)
        if step % 50 == 0 or step == trial.steps:
            with torch.no_grad():
                valid_loss = nn.functional.cross_entropy(model(x[1200:]), y[1200:]).item()
            trial.report(loss=valid_loss, step=step)
    return valid_loss


def objective(suggested):
    """Let Optuna suggest what is not the rate."""
    return train(
        weight_decay=suggested.suggest_float("weight_decay", 1e-5, 1e-2, log=True),
        momentum=suggested.suggest_float("momentum", 0.5, 0.95),
        hidden=suggested.suggest_int("hidden", 16, 64, log=True),
    )


if sys.argv[1:] == ["search"]:
    sampler = optuna.samplers.TPESampler(seed=0)
    study = optuna.create_study(storage=STORAGE, study_name=STUDY, sampler=sampler, load_if_exists=True)
    study.optimize(objective, n_trials=12)
    print(f"best: {study.best_params}")
else:
    best = optuna.load_study(storage=STORAGE, study_name=STUDY).best_params
    print(f"loss {train(**best)!r} with {best}")
