# train.py
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import ratesmith
from ratesmith.torch import ScheduleLR

trial = ratesmith.get_trial(lr=0.01, schedule="constant()", steps=380, steps_per_epoch=38)  # 10 epochs of 38 batches
images, digits = (torch.tensor(array) for array in load_digits(return_X_y=True))
images = images.float() / 16
loader = DataLoader(TensorDataset(images[:1200], digits[:1200]), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=trial.lr)
scheduler = ScheduleLR.from_trial(optimizer, trial)

for epoch in range(10):
    for inputs, labels in loader:
        optimizer.zero_grad()
        loss_fn(model(inputs), labels).backward()
        optimizer.step()
    with torch.no_grad():
        validation_loss = loss_fn(model(images[1200:]), digits[1200:])
    print(epoch, validation_loss.item())
    trial.report(loss=validation_loss)
