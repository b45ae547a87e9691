"""RealNVP (Dinh, Sohl-Dickstein & Bengio 2017, arXiv 1605.08803) for images with grey levels, by hand in PyTorch.

Differences from our model: PyTorch's fused weight normalization, which has no epsilon; a coupling of channels changes one
half and joins it to the other, instead of adding zeros beside it; the bits per dimension are not kept.
"""

import math
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers import training
from benchmarks.peers.channels_last import FORMAT
from benchmarks.peers.couplings import (
    ChannelCoupling,
    CheckerboardCoupling,
    Coupling,
    RunningNormalization,
    Squeeze,
)
from benchmarks.peers.optimizers import Update
from benchmarks.peers.vae import halvings


class Flow(nn.Module):
    """From logits of images to the latents of each scale, and log_det `(batch,)`."""

    def __init__(
        self,
        image_shape: tuple[int, int, int],
        num_scales: int,
        couplings: int,
        filters: int,
        blocks: int,
        momentum: float | None,
        dropout: float,
    ):
        super().__init__()
        height, width, channels = image_shape
        last = halvings(height, width, num_scales - 1)
        self.scales = nn.ModuleList()

        def normalized(coupling: Coupling, features: int) -> list[nn.Module]:
            if momentum is None:
                return [coupling]
            return [coupling, RunningNormalization(features, momentum)]

        for scale in range(last + 1):
            sizes = (filters * 2**scale, blocks, dropout)
            layers: list[nn.Module] = []
            for index in range(couplings + (scale == last)):
                flip = index % 2 == 1
                coupling = CheckerboardCoupling((height, width), channels, *sizes, flip)
                layers += normalized(coupling, channels)
            if scale < last:
                height, width, channels = height // 2, width // 2, 2 * channels
                layers.append(Squeeze())
                for index in range(couplings):
                    coupling = ChannelCoupling(channels, *sizes, index % 2 == 1)
                    layers += normalized(coupling, 2 * channels)
            self.scales.append(nn.ModuleList(layers))

    def forward(self, hidden: Tensor) -> tuple[list[Tensor], Tensor]:
        latents, log_det = [], 0.0
        for index, layers in enumerate(self.scales):
            if index:
                done, hidden = hidden.chunk(2, dim=1)
                latents.append(done)
            for layer in layers:
                hidden, change = layer(hidden)
                log_det = log_det + change
        return [*latents, hidden], log_det


class Training(training.Training):
    def build(
        self,
        *,
        image_shape: tuple[int, ...],
        levels: int | None,
        num_scales: int,
        couplings: int | None,
        filters: int,
        blocks: int,
        batch_norm: bool,
        momentum: float,
        alpha: float,
        dropout: float,
        **_: Any,
    ) -> None:
        if len(image_shape) != 3 or not levels:
            raise ValueError("only images with grey levels are written")
        self.levels, self.alpha, self.size = levels, alpha, math.prod(image_shape)
        sizes = (num_scales, couplings or 3, filters, blocks, momentum if batch_norm else None)
        self.flow = Flow(tuple(image_shape), *sizes, dropout)
        self.flow.to(self.device, memory_format=FORMAT)
        self.update = Update(self.flow.parameters(), self.case["optimizers"]["main"])

    def networks(self) -> list[nn.Module]:
        return [self.flow]

    def step(self, batch: dict[str, Tensor]) -> None:
        top = self.levels - 1
        nearest = torch.round((batch["image"] + 1.0) * (0.5 * top)).clamp_(0, top)
        noise = torch.rand_like(nearest).sub_(0.5)
        self.update(self.loss(nearest.add_(noise)))

    def loss(self, levels: Tensor) -> Tensor:
        """Nats of dequantized levels, each within half of one: `(batch, channels, height, width)`."""
        grey = (levels + 0.5) / self.levels
        centred = ((1.0 - 2.0 * self.alpha) * (grey - 0.5)).clamp_(-0.5 + 1e-6, 0.5 - 1e-6)
        log_p, log_q = torch.log(0.5 + centred), torch.log(0.5 - centred)
        latents, log_det = self.flow(log_p - log_q)
        # Of the density of levels, cells of width 1: the noise fills one, so that the density is the probability.
        slope = (1.0 - 2.0 * self.alpha) / self.levels
        constant = self.size * (math.log(slope) - 0.5 * math.log(2.0 * math.pi))
        batch = len(levels)
        log_density = log_det.sum() - (log_p + log_q).sum()
        log_density = log_density - 0.5 * sum(part.square().sum() for part in latents)
        return -log_density / batch - constant
