"""One stage of a progressive GAN (Karras et al. 2018, arXiv 1710.10196), as a PyTorch user would write it.

Difference from ours: the weights that a stage does not train are not averaged, as they do not change.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers import training
from benchmarks.peers.optimizers import Update
from benchmarks.peers.progressive_networks import Critic, Generator, double
from benchmarks.peers.wgan_gp import penalized


class Training(training.Training):
    """One update of the critic, then one of the generator, in `case["stage"]` (default: the last)."""

    def build(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        filters: Sequence[int],
        base_size: int,
        fade_steps: int,
        penalty_weight: float,
        drift: float,
        **_: Any,
    ) -> None:
        side, channels = image_shape[0], image_shape[-1]
        stage = self.case.get("stage") or f"{side}x{side}"
        sides = [base_size << index for index in range(len(filters))]
        last = sides.index(int(stage.removesuffix("_fade").split("x")[0]))
        self.fading = stage.endswith("_fade")
        if sides[-1] != side or (self.fading and last == 0):
            raise ValueError(
                f"no such stage: {stage} with filters={filters}, base_size={base_size}"
            )
        self.latent_dim, self.fade_steps = latent_dim, fade_steps
        self.penalty_weight, self.drift = penalty_weight, drift
        self.shrinking = side // sides[last]
        self.generator = Generator(latent_dim, channels, filters, base_size, last)
        self.critic = Critic(channels, filters, base_size, last)
        for network in self.networks():
            network.to(self.device, memory_format=torch.channels_last)
        blocks = self.case["optimizers"]
        self.update_critic = Update(self.critic.trained(self.fading), blocks["critic"])
        self.update_generator = Update(self.generator.trained(self.fading), blocks["generator"])

    def networks(self) -> list[nn.Module]:
        return [self.generator, self.critic]

    def step(self, batch: dict[str, Tensor]) -> None:
        alpha = min((self.steps + 1) / self.fade_steps, 1.0) if self.fading else None
        real = self._shrunk(batch["image"], alpha)
        with torch.no_grad():
            fake = self.generator(self._draw_latents(len(real)), alpha)
        # One after the other: the deviation within each batch is a feature.
        real_scores, fake_scores = self.critic(real, alpha), self.critic(fake, alpha)
        self.update_critic(
            self.penalty_weight * penalized(lambda x: self.critic(x, alpha), real, fake)
            + self.drift * real_scores.square().mean()
            + fake_scores.mean()
            - real_scores.mean()
        )
        fake = self.generator(self._draw_latents(len(real)), alpha)
        self.update_generator(-self.critic(fake, alpha).mean())

    def _shrunk(self, images: Tensor, alpha: float | None) -> Tensor:
        if self.shrinking > 1:
            images = functional.avg_pool2d(images, self.shrinking)
        if alpha is None:
            return images
        return torch.lerp(double(functional.avg_pool2d(images, 2)), images, alpha)

    def _draw_latents(self, n: int) -> Tensor:
        return torch.randn(n, self.latent_dim, device=self.device)
