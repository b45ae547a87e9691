"""Denoising diffusion (Ho et al. 2020, arXiv 2006.11239) in PyTorch.

Differences from our model: those of `benchmarks.peers.unet`; images only.
"""

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.peers import optimizers, training
from benchmarks.peers.unet import UNet


class Training(training.Training):
    """One update a step: the U-Net learns the noise at random times, with labels hidden at random."""

    def build(self, **model: Any) -> None:
        if model["network"] != "unet":
            raise ValueError("only the U-Net is written")
        self.timesteps = model["timesteps"]
        self.num_classes, self.label_dropout = model["num_classes"], model["label_dropout"]
        sizes = ("filters", "multipliers", "blocks", "attention", "dropout", "num_classes")
        self.denoiser = UNet(
            model["image_shape"],
            timesteps=self.timesteps,
            **{name: model[name] for name in sizes},
        ).to(self.device, memory_format=torch.channels_last)
        alpha_bar = alpha_bars(model["schedule"], self.timesteps)
        self._signal = alpha_bar.sqrt().float().to(self.device)
        self._noise = (1.0 - alpha_bar).sqrt().float().to(self.device)
        self._update = optimizers.Update(
            self.denoiser.parameters(), self.case["optimizers"]["main"]
        )

    def networks(self) -> list[nn.Module]:
        return [self.denoiser]

    def step(self, batch: dict[str, Tensor]) -> Tensor:
        # Convolutions take a third less time with the channels last in memory.
        images = batch["image"].contiguous(memory_format=torch.channels_last)
        label = batch.get("label")
        n, device = len(images), images.device
        time = torch.randint(1, self.timesteps + 1, (n,), device=device)
        noise = torch.randn_like(images)
        if self.num_classes:
            hidden = torch.rand(n, device=device) < self.label_dropout
            label = label.masked_fill(hidden, self.num_classes)
        shape = (-1, 1, 1, 1)
        noisy = self._signal[time].view(shape) * images + self._noise[time].view(shape) * noise
        loss = F.mse_loss(self.denoiser(noisy, time, label), noise)
        self._update(loss)
        return loss.detach()


def alpha_bars(schedule: str, timesteps: int) -> Tensor:
    """The share of the data in the variance at each time from 0, float64 `(timesteps + 1,)`."""
    if schedule == "linear":
        beta = torch.linspace(1e-4, 0.02, timesteps, dtype=torch.float64) * (1000.0 / timesteps)
    elif schedule == "cosine":
        place = torch.arange(timesteps + 1, dtype=torch.float64) / timesteps
        squared = torch.cos((place + 0.008) / 1.008 * (math.pi / 2.0)) ** 2
        beta = 1.0 - squared[1:] / squared[:-1]
    else:
        raise ValueError(f"the schedule {schedule} is not written")
    kept = torch.cumprod(1.0 - beta.clamp(max=0.999), dim=0)
    return torch.cat([torch.ones(1, dtype=torch.float64), kept])
