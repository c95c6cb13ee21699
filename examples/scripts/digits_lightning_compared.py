"""A LightningModule: a small convolutional network learns scikit-learn's handwritten digits."""

import lightning
import ratesmith.lightning
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

epochs, batch_size = 4, 50
lightning.seed_everything(0)

images, digits = load_digits(return_X_y=True)
images = torch.tensor(images, dtype=torch.float32).view(-1, 1, 8, 8) / 16
digits = torch.tensor(digits)
train_loader = DataLoader(TensorDataset(images[:1400], digits[:1400]), batch_size, shuffle=True)
valid_loader = DataLoader(TensorDataset(images[1400:], digits[1400:]), 397)
trial = ratesmith.get_trial(lr=0.1, schedule="cosine()", steps=epochs * len(train_loader))


class Digits(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            *(nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
            *(nn.Flatten(), nn.Linear(32, 10)),
        )

    def training_step(self, batch, index):
        x, y = batch
        return nn.functional.cross_entropy(self.net(x), y)

    def validation_step(self, batch, index):
        x, y = batch
        output = self.net(x)
        self.log("val_loss", nn.functional.cross_entropy(output, y))
        self.log("val_accuracy", (output.argmax(1) == y).float().mean())

    def on_validation_epoch_end(self):
        print(f"step {self.global_step}: loss {self.trainer.callback_metrics['val_loss'].item()!r}")

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
        scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=epochs * len(train_loader))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}


trainer = lightning.Trainer(
    max_epochs=epochs,
    accelerator="cpu",
    logger=False,
    enable_checkpointing=False,
    enable_progress_bar=False,
    enable_model_summary=False,
    num_sanity_val_steps=0,
    callbacks=[ratesmith.lightning.TrialCallback(trial)],
)
trainer.fit(Digits(), train_loader, valid_loader)
