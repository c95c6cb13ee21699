"""A tutorial's loop: a small network learns scikit-learn's handwritten digits, epoch by epoch."""

import ratesmith.torch
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

epochs, batch_size = 8, 32
torch.manual_seed(0)

images, digits = load_digits(return_X_y=True)
images = torch.tensor(images, dtype=torch.float32) / 16
digits = torch.tensor(digits)
shuffled = torch.randperm(len(images), generator=torch.Generator().manual_seed(1))  # the same split for every seed
train, valid = shuffled[:1400], shuffled[1400:]
train_loader = DataLoader(TensorDataset(images[train], digits[train]), batch_size, shuffle=True)
valid_loader = DataLoader(TensorDataset(images[valid], digits[valid]), batch_size)
per_epoch = len(train_loader)
trial = ratesmith.get_trial(lr=0.1, schedule='step(every="5ep")', steps=epochs * per_epoch, steps_per_epoch=per_epoch)

model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 10))
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=trial.lr, momentum=0.9)
scheduler = ratesmith.torch.ScheduleLR.from_trial(optimizer, trial)


def train_epoch():
    model.train()
    for x, y in train_loader:
        loss = loss_fn(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def evaluate():
    model.eval()
    loss, right = 0.0, 0
    for x, y in valid_loader:
        output = model(x)
        loss += loss_fn(output, y).item() * len(x)
        right += (output.argmax(1) == y).sum().item()
    return loss / len(valid), right / len(valid)


for epoch in range(epochs):
    train_epoch()
    scheduler.step()
    loss, accuracy = evaluate()
    print(f"step {(epoch + 1) * per_epoch}: loss {loss!r}, accuracy {accuracy:.1%}")
    trial.report(loss=loss, accuracy=accuracy)
