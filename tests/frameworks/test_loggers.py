"""The rates and a controller's reasons reach TensorBoard and MLflow by the lines that docs/torch.md shows."""

import re
from pathlib import Path

import pytest
import torch

from ratesmith.torch import ScheduleLR

# Loggers warn of their own changes.
pytestmark = pytest.mark.filterwarnings("ignore")

PAGE = Path(__file__).parents[2] / "docs" / "torch.md"
LOSSES = [1.0, 0.9, 0.9, 0.9, 0.8]


def log_lines(name):
    """Return the code block of the page that imports a logger."""
    blocks = re.findall(r"```py\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    (block,) = [block for block in blocks if f"def log_to_{name}(" in block]
    return block


def trained(log):
    """Train five updates with a controller, logging after each, and give the rates."""
    groups = [{"params": [torch.nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (0.1, 0.2)]
    optimizer = torch.optim.SGD(groups)
    scheduler = ScheduleLR(optimizer, "plateau(factor=0.5, patience=0)")
    found = []
    for loss in LOSSES:
        optimizer.step()
        scheduler.step(metrics=loss)
        log(scheduler)
        found.append(scheduler.values())
    assert found[-1] == {"lr/0": 0.025, "lr/1": 0.05}
    return found


def test_tensorboard_gets_the_rates_and_the_reasons(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    names = {"folder": str(tmp_path)}
    exec(log_lines("tensorboard"), names)
    found = trained(names["log_to_tensorboard"])
    names["writer"].close()
    events = EventAccumulator(str(tmp_path)).Reload()
    for name in ("lr/0", "lr/1"):
        written = [(event.step, event.value) for event in events.Scalars(name)]
        assert written == [(step, pytest.approx(rates[name])) for step, rates in enumerate(found, 1)]
    reasons = [(event.step, event.tensor_proto.string_val[0].decode()) for event in events.Tensors("why/text_summary")]
    assert reasons == [
        (3, "plateau: loss had not improved for 1 measurement, best 0.9; rate cut to 0.5"),
        (4, "plateau: loss had not improved for 1 measurement, best 0.9; rate cut to 0.25"),
    ]


def test_mlflow_gets_the_rates_and_the_reasons(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    mlflow.set_tracking_uri((tmp_path / "store").as_uri())
    names = {}
    exec(log_lines("mlflow"), names)
    mlflow.set_experiment("rates")
    with mlflow.start_run() as run:
        found = trained(names["log_to_mlflow"])
    client = mlflow.MlflowClient()
    written = [(metric.step, metric.value) for metric in client.get_metric_history(run.info.run_id, "lr/1")]
    assert written == [(step, rates["lr/1"]) for step, rates in enumerate(found, 1)]
    tags = client.get_run(run.info.run_id).data.tags
    assert tags["why at 3"] == "plateau: loss had not improved for 1 measurement, best 0.9; rate cut to 0.5"
