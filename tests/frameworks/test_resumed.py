"""Stopped and resumed by the trainers and tools that people use: the same rates as without the stop."""

import copy
import pickle

import pytest
import torch
from torch import nn
from trained import accelerated_rates, lightning_trainer

from ratesmith import Horizon, parse
from ratesmith.torch import ScheduleLR, Target
from ratesmith.torch import lr_scheduler as drop_in

# These packages warn of each other's and torch's changes, which is theirs to mend; ours are errors.
pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.filterwarnings("error:ScheduleLR"),
    pytest.mark.filterwarnings("ignore::ratesmith.torch.Information"),  # an epoch is a step of the schedule here
]

STEPS = 16
TEXT = 'warmup("25%") >> cosine()'
FACTOR = parse(TEXT).build(Horizon(STEPS))
EXPECTED = [0.1 * FACTOR(step) for step in range(STEPS)]


def regression(callbacks, skorch, options):
    return skorch.NeuralNetRegressor(
        nn.Linear(4, 1),
        optimizer=torch.optim.SGD,
        lr=0.1,
        max_epochs=2,
        batch_size=4,
        train_split=None,
        verbose=0,
        callbacks=[("rate", callbacks.LRScheduler(ScheduleLR, schedule=TEXT, horizon=STEPS, **options))],
    )


@pytest.mark.parametrize("options", [{"step_every": "batch", "count_updates": True}, {"step_every": "epoch"}])
@pytest.mark.parametrize("how", ["pickle", "deepcopy", "params", "params and history"])
def test_a_skorch_net_goes_on_where_it_was(tmp_path, options, how):
    skorch = pytest.importorskip("skorch")
    callbacks = pytest.importorskip("skorch.callbacks")
    import numpy as np

    data = np.ones((16, 4), dtype=np.float32), np.ones((16, 1), dtype=np.float32)
    net = regression(callbacks, skorch, options)
    net.fit(*data)
    if how == "pickle":
        again = pickle.loads(pickle.dumps(net))
    elif how == "deepcopy":
        again = copy.deepcopy(net)
    else:
        files = {"f_params": tmp_path / "params.pt", "f_optimizer": tmp_path / "optimizer.pt"}
        if how == "params and history":
            files["f_history"] = tmp_path / "history.json"
        net.save_params(**files)
        again = regression(callbacks, skorch, options)
        again.initialize()
        again.load_params(**files)
    rates = []
    update = again.train_step

    def watched(*arguments, **more):
        rates.append(again.optimizer_.param_groups[0]["lr"])
        return update(*arguments, **more)

    again.train_step = watched
    again.partial_fit(*data)
    by_epoch = [EXPECTED[2 + epoch] for epoch in range(2) for _ in range(4)]
    assert rates == (EXPECTED[8:] if options["step_every"] == "batch" else by_epoch)


@pytest.mark.parametrize("count_updates", [False, True])
@pytest.mark.parametrize("stop", [1, 2, 3])
def test_lightnings_finetuning_callback_adds_a_group_and_resumes_exactly(tmp_path, stop, count_updates):
    lightning = pytest.importorskip("lightning")
    from lightning.pytorch.callbacks import BaseFinetuning

    class Unfreezing(BaseFinetuning):
        def freeze_before_training(self, module):
            self.freeze(module.backbone)

        def finetune_function(self, module, epoch, optimizer):
            if epoch == 2:
                self.unfreeze_and_add_param_group(module.backbone, optimizer)  # at a tenth of the present rate

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.backbone, self.head, self.seen = nn.Linear(4, 4), nn.Linear(4, 1), []

        def training_step(self, batch, index):
            self.seen.append([group["lr"] for group in self.optimizers().param_groups])
            return self.head(self.backbone(batch[0])).square().mean()

        def configure_optimizers(self):
            optimizer = torch.optim.SGD(self.head.parameters(), lr=0.1)
            scheduler = ScheduleLR(optimizer, TEXT, horizon=STEPS, count_updates=count_updates)
            return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def run(epochs, resume=None):
        module = Module()
        trainer = lightning_trainer(lightning, tmp_path, epochs, callbacks=[Unfreezing()])
        batches = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(torch.ones(16, 4)), batch_size=4)
        trainer.fit(module, batches, ckpt_path=resume)
        trainer.save_checkpoint(tmp_path / "last.ckpt")
        return module.seen

    whole = run(4)
    joined = FACTOR(8)  # when the backbone joined
    assert [rates[0] for rates in whole] == EXPECTED
    assert [rates[1] for rates in whole[8:]] == pytest.approx(
        [EXPECTED[8] / 10 / joined * FACTOR(step) for step in range(8, STEPS)]
    )
    found = run(stop) + run(4, resume=str(tmp_path / "last.ckpt"))
    # A group that was added after saving is added again, at a tenth of a rate that was read from a file.
    assert found == [pytest.approx(rates, rel=1e-15) for rates in whole]


@pytest.mark.parametrize("k", [1, 7, 15])
@pytest.mark.parametrize("make", [ScheduleLR, drop_in.CosineAnnealingLR, drop_in.LinearLR, drop_in.OneCycleLR])
def test_accelerate_saves_and_loads_it_at_any_step(tmp_path, k, make):
    accelerate = pytest.importorskip("accelerate")
    options = {ScheduleLR: (TEXT,), drop_in.OneCycleLR: (0.5, 20)}.get(
        make, (0.1, 1.0, 9) if make is drop_in.LinearLR else (16,)
    )
    more = {"horizon": STEPS} if make is ScheduleLR else {}

    def prepared():
        accelerator = accelerate.Accelerator(cpu=True)
        torch.manual_seed(0)
        model = nn.Linear(2, 1)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
        return (accelerator, *accelerator.prepare(model, optimizer, make(optimizer, *options, **more)))

    whole = accelerated_rates(*prepared(), STEPS)
    first = prepared()
    accelerated_rates(*first, k)
    first[0].save_state(str(tmp_path))
    second = prepared()
    second[0].load_state(str(tmp_path))
    assert accelerated_rates(*second, STEPS - k) == whole[k:]


@pytest.mark.parametrize("k", [1, 7, 15])
@pytest.mark.parametrize("count_updates", [False, True])
@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
@pytest.mark.parametrize("scheduler_too", [True, False])
def test_a_distributed_checkpoint_on_disk_keeps_it(tmp_path, k, count_updates, kind, scheduler_too):
    from torch.distributed import checkpoint
    from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict

    def made():
        torch.manual_seed(0)
        model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
        groups = [{"params": part.parameters(), "lr": rate} for part, rate in zip(model, (0.1, 0.3), strict=True)]
        optimizer = kind(groups, lr=0.1)
        more = Target("linear()", "weight_decay")
        return model, optimizer, ScheduleLR(optimizer, TEXT, more, horizon=STEPS, count_updates=count_updates)

    def train(model, optimizer, scheduler, steps):
        rates = []
        for _ in range(steps):
            rates.append([group[key] for group in optimizer.param_groups for key in ("lr", "weight_decay")])
            optimizer.zero_grad()
            model(torch.ones(1, 2)).square().sum().backward()
            optimizer.step()
            optimizer.zero_grad()
            scheduler.step()
        return rates

    def state(model, optimizer, scheduler):
        model_state, optimizer_state = get_state_dict(model, optimizer)
        return {
            "model": model_state,
            "optimizer": optimizer_state,
            **({"scheduler": scheduler.state_dict()} if scheduler_too else {}),
        }

    whole = train(*made(), STEPS)
    first = made()
    train(*first, k)
    checkpoint.save(state(*first), checkpoint_id=tmp_path / "saved", no_dist=True)
    second = made()
    loaded = state(*second)
    checkpoint.load(loaded, checkpoint_id=tmp_path / "saved", no_dist=True)
    set_state_dict(*second[:2], model_state_dict=loaded["model"], optim_state_dict=loaded["optimizer"])
    if scheduler_too:
        second[2].load_state_dict(loaded["scheduler"])
    assert train(*second, STEPS - k) == whole[k:]
