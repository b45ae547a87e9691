"""DCGAN (Radford et al. 2016, arXiv 1511.06434), as a PyTorch user would write it.

Difference from ours: the moving averages of the batch normalization also count the batches of the other network's
phase, which is PyTorch's way and costs it no less.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers import training
from benchmarks.peers.optimizers import Update


def stages_for(height: int, width: int, stages: int | None) -> int:
    """How often an image is halved: as wished, or until a side is odd or less than 8."""
    if stages is None:
        stages = 1
        while min(height, width) >> stages >= 8 and not (height | width) % 2 ** (stages + 1):
            stages += 1
    return stages


# Channels last in memory is the faster format on a CPU; these two go to it and from it without a copy.


class Unflatten(nn.Module):
    """Gives vectors `(batch, height * width * channels)` the shape `(batch, channels, height, width)`."""

    def __init__(self, height: int, width: int):
        super().__init__()
        self.height, self.width = height, width

    def forward(self, vectors: Tensor) -> Tensor:
        return vectors.view(len(vectors), self.height, self.width, -1).permute(0, 3, 1, 2)


class Flatten(nn.Module):
    """Gives `(batch, channels, height, width)` the shape `(batch, height * width * channels)`."""

    def forward(self, hidden: Tensor) -> Tensor:
        return hidden.permute(0, 2, 3, 1).flatten(1)


def generator(
    latent_dim: int, image_shape: Sequence[int], filters: int, stages: int | None
) -> nn.Sequential:
    """Builds the generator, from `(batch, latent_dim)` to `(batch, channels, height, width)`."""
    height, width, channels = image_shape
    stages = stages_for(height, width, stages)
    height, width, features = height >> stages, width >> stages, filters << (stages - 1)
    layers = [
        nn.Linear(latent_dim, height * width * features, bias=False),
        Unflatten(height, width),
    ]
    for stage in reversed(range(stages)):
        outputs = channels if stage == 0 else features // 2
        layers += [
            nn.BatchNorm2d(features),
            nn.ReLU(inplace=True),
            nn.ConvTranspose2d(features, outputs, 4, 2, 1, bias=stage == 0),
        ]
        features = outputs
    return initialized(nn.Sequential(*layers, nn.Tanh()))


def discriminator(
    image_shape: Sequence[int], filters: int, stages: int | None, normalization: str | None
) -> nn.Sequential:
    """Builds the discriminator, to logits `(batch, 1)`; normalization is "batch", "layer" or None."""
    height, width, features = image_shape
    stages = stages_for(height, width, stages)
    kinds = {"batch": nn.BatchNorm2d, "layer": lambda channels: nn.GroupNorm(1, channels)}
    layers: list[nn.Module] = []
    for stage in range(stages):
        normalized = stage > 0 and normalization is not None
        outputs = filters << stage
        layers.append(nn.Conv2d(features, outputs, 4, 2, 1, bias=not normalized))
        if normalized:
            layers.append(kinds[normalization](outputs))
        layers.append(nn.LeakyReLU(0.2, inplace=True))
        features = outputs
    units = features * (height >> stages) * (width >> stages)
    return initialized(nn.Sequential(*layers, Flatten(), nn.Linear(units, 1)))


def initialized(network: nn.Module) -> nn.Module:
    """Draws weights from N(0, 0.02), scales of batch normalization from N(1, 0.02); sets the memory format."""
    for layer in network.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(layer.weight, 0.0, 0.02)
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
        elif isinstance(layer, nn.BatchNorm2d):
            nn.init.normal_(layer.weight, 1.0, 0.02)
    return network.to(memory_format=torch.channels_last)


class Training(training.Training):
    """One update of the discriminator, then one of the generator."""

    def build(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        filters: int,
        stages: int | None,
        loss: str,
        latents: str,
        **_: Any,
    ) -> None:
        if loss not in ("non_saturating", "minimax") or latents not in ("uniform", "normal"):
            raise ValueError(f"no such game is written: loss={loss}, latents={latents}")
        self.latent_dim, self.loss, self.latents = latent_dim, loss, latents
        self.generator = generator(latent_dim, image_shape, filters, stages).to(self.device)
        self.discriminator = discriminator(image_shape, filters, stages, "batch").to(self.device)
        blocks = self.case["optimizers"]
        self.update_discriminator = Update(self.discriminator.parameters(), blocks["discriminator"])
        self.update_generator = Update(self.generator.parameters(), blocks["generator"])

    def networks(self) -> list[nn.Module]:
        return [self.generator, self.discriminator]

    def step(self, batch: dict[str, Tensor]) -> None:
        real = batch["image"]
        with torch.no_grad():
            fake = self.generator(self._draw_latents(len(real)))
        # One after the other: each is normalized by its own statistics.
        real_logits, fake_logits = self.discriminator(real), self.discriminator(fake)
        self.update_discriminator(
            functional.softplus(-real_logits).mean() + functional.softplus(fake_logits).mean()
        )
        logits = self.discriminator(self.generator(self._draw_latents(len(real))))
        if self.loss == "minimax":
            self.update_generator(-functional.softplus(logits).mean())
        else:
            self.update_generator(functional.softplus(-logits).mean())

    def _draw_latents(self, n: int) -> Tensor:
        latents = torch.empty(n, self.latent_dim, device=self.device)
        return latents.normal_() if self.latents == "normal" else latents.uniform_(-1.0, 1.0)
