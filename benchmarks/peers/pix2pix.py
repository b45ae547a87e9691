"""pix2pix (Isola et al. 2017, arXiv 1611.07004), as a PyTorch user would write it.

Difference from ours: the moving averages of the batch normalization also count the batches of the other network's
phase, which is PyTorch's way and costs it no less.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers import training
from benchmarks.peers.dcgan import initialized
from benchmarks.peers.optimizers import Update

#: Networks grow no wider than so many times their first layer.
WIDEST = 8
#: Layers of the decoder, from the inside out, that have dropout.
DROPOUT_LAYERS = 3


def downsamplings_for(height: int, width: int) -> int:
    """How often the generator halves an image: until a side is odd."""
    return ((height | width) & -(height | width)).bit_length() - 1


def patch_layers_for(height: int, width: int) -> int:
    """How often the discriminator halves an image: 3 times, or while sides are even and at least 8."""
    layers = 0
    while (
        layers < 3
        and not (height | width) % 2 ** (layers + 1)
        and min(height, width) >> layers >= 8
    ):
        layers += 1
    return layers


class Dropout(nn.Dropout):
    """Dropout; on a CPU by uniform numbers, which takes a third of the time of PyTorch's own Bernoulli ones."""

    def forward(self, hidden: Tensor) -> Tensor:
        if hidden.is_cuda:
            return super().forward(hidden)
        mask = torch.empty_like(hidden).uniform_().ge_(self.p).mul_(1.0 / (1.0 - self.p))
        return hidden * mask


class UNet(nn.Module):
    """The generator, from sources to targets `(batch, channels, height, width)`.

    Args:
        source_channels: Of what is translated.
        channels: Of the result.
        filters: Of the first layer.
        depth: Halvings.
        dropout_rate: Of the innermost layers of the decoder.
    """

    def __init__(
        self, source_channels: int, channels: int, filters: int, depth: int, dropout_rate: float
    ):
        super().__init__()
        widths = [filters * min(2**level, WIDEST) for level in range(depth)]
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, (before, width) in enumerate(pairwise([source_channels, *widths])):
            plain = level in (0, depth - 1)
            # Not in place: the skip connections are not rectified.
            layers: list[nn.Module] = [nn.LeakyReLU(0.2)] if level else []
            layers.append(nn.Conv2d(before, width, 4, 2, 1, bias=plain))
            self.down.append(nn.Sequential(*layers, *([] if plain else [nn.BatchNorm2d(width)])))
        joined = widths[-1]
        for level in reversed(range(1, depth)):
            width = widths[level - 1]
            layers = [
                nn.ReLU(inplace=True),
                nn.ConvTranspose2d(joined, width, 4, 2, 1, bias=False),
                nn.BatchNorm2d(width),
            ]
            if dropout_rate and len(self.up) < DROPOUT_LAYERS:
                layers.append(Dropout(dropout_rate))
            self.up.append(nn.Sequential(*layers))
            joined = 2 * width
        self.outputs = nn.Sequential(
            nn.ReLU(inplace=True), nn.ConvTranspose2d(joined, channels, 4, 2, 1), nn.Tanh()
        )

    def forward(self, source: Tensor) -> Tensor:
        hidden, skips = source, []
        for layers in self.down:
            hidden = layers(hidden)
            skips.append(hidden)
        skips.pop()
        for layers in self.up:
            hidden = torch.cat([layers(hidden), skips.pop()], dim=1)
        return self.outputs(hidden)


def patchgan(channels: int, filters: int, strided: int) -> nn.Sequential:
    """Builds the discriminator, from source and target, one after the other in the channels, to logits of patches."""
    kernel = 4 if strided else 1
    layers: list[nn.Module] = []
    for level in range(max(strided, 1) + 1):
        width = filters * min(2**level, WIDEST)
        stride, padding = (2, 1) if level < strided else (1, "same")
        layers.append(nn.Conv2d(channels, width, kernel, stride, padding, bias=level == 0))
        if level:
            layers.append(nn.BatchNorm2d(width))
        layers.append(nn.LeakyReLU(0.2, inplace=True))
        channels = width
    return nn.Sequential(*layers, nn.Conv2d(channels, 1, kernel, padding="same"))


class Training(training.Training):
    """One update of the discriminator, then one of the generator, each with dropout of its own."""

    def build(
        self,
        image_shape: Sequence[int],
        source_shape: Sequence[int],
        filters: int,
        downsamplings: int | None,
        patch_layers: int | None,
        dropout_rate: float,
        l1_weight: float,
        **_: Any,
    ) -> None:
        height, width, channels = image_shape
        depth = downsamplings_for(height, width) if downsamplings is None else downsamplings
        strided = patch_layers_for(height, width) if patch_layers is None else patch_layers
        self.l1_weight = l1_weight
        self.generator = initialized(
            UNet(source_shape[-1], channels, filters, depth, dropout_rate)
        ).to(self.device)
        self.discriminator = initialized(
            patchgan(source_shape[-1] + channels, filters, strided)
        ).to(self.device)
        blocks = self.case["optimizers"]
        self.update_discriminator = Update(self.discriminator.parameters(), blocks["discriminator"])
        self.update_generator = Update(self.generator.parameters(), blocks["generator"])

    def networks(self) -> list[nn.Module]:
        return [self.generator, self.discriminator]

    def step(self, batch: dict[str, Tensor]) -> None:
        source, target = batch["source"], batch["target"]
        with torch.no_grad():
            fake = self.generator(source)
        real_logits, fake_logits = self._logits(source, target), self._logits(source, fake)
        self.update_discriminator(
            0.5
            * (functional.softplus(-real_logits).mean() + functional.softplus(fake_logits).mean())
        )
        fake = self.generator(source)
        self.update_generator(
            functional.softplus(-self._logits(source, fake)).mean()
            + self.l1_weight * functional.l1_loss(fake, target)
        )

    def _logits(self, source: Tensor, target: Tensor) -> Tensor:
        return self.discriminator(torch.cat([source, target], dim=1))
