"""A convolutional VAE (Kingma & Welling 2014, arXiv 1312.6114) with a Bernoulli likelihood, by hand in PyTorch.

Differences from our model: strided convolutions are padded by 1 on all sides instead of one side, which gives the same
network of the mirrored image without a copy; no means of the losses are kept.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers import training
from benchmarks.peers.channels_last import FORMAT
from benchmarks.peers.optimizers import Update


def halvings(height: int, width: int, most: int) -> int:
    """How often both sides can be halved without a rest, `most` at the most."""
    count = 0
    while count < most and height % 2 == 0 == width % 2 and min(height, width) > 2:
        height, width, count = height // 2, width // 2, count + 1
    return count


class Encoder(nn.Module):
    """From images `(batch, channels, height, width)` to outputs `(batch, outputs)`."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        filters: list[int],
        units: int,
        outputs: int,
        classes: int,
    ):
        super().__init__()
        height, width, channels = shape
        stages = halvings(height, width, len(filters))
        convolutions: list[nn.Module] = []
        for index, features in enumerate(filters):
            stride = 2 if index < stages else 1
            convolutions += [nn.Conv2d(channels, features, 3, stride, 1), nn.ReLU(inplace=True)]
            channels = features
        self.convolutions = nn.Sequential(*convolutions, nn.Flatten())
        size = channels * (height >> stages) * (width >> stages)
        self.dense = nn.Linear(size + classes, units)
        self.outputs = nn.Linear(units, outputs)

    def forward(self, images: Tensor, one_hot: Tensor | None) -> Tensor:
        hidden = beside(self.convolutions(images), one_hot)
        return self.outputs(F.relu(self.dense(hidden), inplace=True))


class Decoder(nn.Module):
    """From latents `(batch, latent_dim)` to logits `(batch, channels, height, width)`."""

    def __init__(
        self, shape: tuple[int, int, int], filters: list[int], units: int, inputs: int, classes: int
    ):
        super().__init__()
        height, width, channels = shape
        stages = halvings(height, width, len(filters))
        self.grid = (filters[-1], height >> stages, width >> stages)
        self.dense = nn.Sequential(
            nn.Linear(inputs + classes, units),
            nn.ReLU(inplace=True),
            nn.Linear(units, self.grid[0] * self.grid[1] * self.grid[2]),
            nn.ReLU(inplace=True),
        )
        convolutions: list[nn.Module] = []
        for index in reversed(range(len(filters))):
            stride = 2 if index < stages else 1
            convolutions += [
                nn.ConvTranspose2d(
                    filters[index], filters[max(index - 1, 0)], 3, stride, 1, stride - 1
                ),
                nn.ReLU(inplace=True),
            ]
        self.convolutions = nn.Sequential(
            *convolutions, nn.Conv2d(filters[0], channels, 3, padding=1)
        )

    def forward(self, latents: Tensor, one_hot: Tensor | None) -> Tensor:
        hidden = self.dense(beside(latents, one_hot))
        return self.convolutions(hidden.view(-1, *self.grid))


def beside(features: Tensor, one_hot: Tensor | None) -> Tensor:
    """The features with the label beside them."""
    return features if one_hot is None else torch.cat([features, one_hot], dim=1)


class Training(training.Training):
    def build(
        self,
        *,
        image_shape: tuple[int, int, int],
        latent_dim: int,
        network: str,
        units: list[int],
        filters: list[int],
        likelihood: str,
        binarize: bool,
        num_classes: int | None,
        **_: Any,
    ) -> None:
        if network != "convolutional" or likelihood != "bernoulli":
            raise ValueError(f"no {network} network with a {likelihood} likelihood is written")
        self.binarize = binarize
        self.num_classes = num_classes or 0
        shape, filters, width = tuple(image_shape), list(filters), units[0]
        self.encoder = Encoder(shape, filters, width, 2 * latent_dim, self.num_classes)
        self.decoder = Decoder(shape, filters, width, latent_dim, self.num_classes)
        for each in self.networks():
            each.to(self.device, memory_format=FORMAT)
        parameters = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.update = Update(parameters, self.case["optimizers"]["main"])

    def networks(self) -> list[nn.Module]:
        return [self.encoder, self.decoder]

    def step(self, batch: dict[str, Tensor]) -> None:
        pixels = 0.5 * (batch["image"] + 1.0)
        if self.binarize:
            pixels = (torch.rand_like(pixels) < pixels).float()
        one_hot = F.one_hot(batch["label"], self.num_classes).float() if self.num_classes else None
        self.update(self.loss(pixels, one_hot))

    def loss(self, pixels: Tensor, one_hot: Tensor | None) -> Tensor:
        """The negative bound, in nats, of pixels in [0, 1] `(batch, channels, height, width)`."""
        moments = self.encoder(2.0 * pixels - 1.0, one_hot)
        mean, log_variance = moments.chunk(2, dim=1)
        latents = torch.addcmul(mean, torch.exp(0.5 * log_variance), torch.randn_like(mean))
        logits = self.decoder(latents, one_hot)
        surprise = F.binary_cross_entropy_with_logits(logits, pixels, reduction="sum")
        kl = 0.5 * (mean.square() + log_variance.exp() - 1.0 - log_variance).sum()
        return (surprise + kl) / len(pixels)
