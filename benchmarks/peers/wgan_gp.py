"""WGAN-GP (Gulrajani et al. 2017, arXiv 1704.00028), as a PyTorch user would write it.

Difference from ours: data and fakes go through the critic in one batch, which gives the same scores, as nothing in it
mixes examples; the moving averages of the generator's normalization also count the batches of the critic's updates.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers import training
from benchmarks.peers.dcgan import discriminator, generator
from benchmarks.peers.optimizers import Update


def dense(inputs: int, units: Sequence[int], outputs: int) -> nn.Sequential:
    """Builds the fully connected networks for vectors."""
    layers: list[nn.Module] = []
    for width, wider in pairwise((inputs, *units)):
        layers += [nn.Linear(width, wider), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, nn.Linear(units[-1], outputs))


def penalized(critic: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor) -> Tensor:
    """Returns the mean of (slope - 1)^2 at random points between data and fakes, differentiable."""
    fractions = torch.rand(len(real), *[1] * (real.ndim - 1), device=real.device)
    between = torch.lerp(fake, real, fractions).requires_grad_()
    (slopes,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return (torch.linalg.vector_norm(slopes.flatten(1), dim=1) - 1.0).square().mean()


class Training(training.Training):
    """`n_critic` updates of the critic, each on its own part of the batch, then one of the generator."""

    def build(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        filters: int,
        stages: int | None,
        units: Sequence[int],
        critic_normalization: str | None,
        n_critic: int,
        penalty_weight: float,
        **_: Any,
    ) -> None:
        if critic_normalization not in ("layer", None):
            raise ValueError(
                f"no critic is written with critic_normalization={critic_normalization}"
            )
        if self.case["batches"] not in (1, n_critic):
            raise ValueError(f"{n_critic} updates cannot share {self.case['batches']} batches")
        self.latent_dim, self.n_critic, self.penalty_weight = latent_dim, n_critic, penalty_weight
        self.field = "image" if len(image_shape) == 3 else "features"
        if self.field == "image":
            self.generator = generator(latent_dim, image_shape, filters, stages)
            self.critic = discriminator(image_shape, filters, stages, critic_normalization)
        else:
            self.generator = dense(latent_dim, units, image_shape[0])
            self.critic = dense(image_shape[0], units, 1)
        self.generator.to(self.device)
        self.critic.to(self.device)
        blocks = self.case["optimizers"]
        self.update_critic = Update(self.critic.parameters(), blocks["critic"])
        self.update_generator = Update(self.generator.parameters(), blocks["generator"])

    def networks(self) -> list[nn.Module]:
        return [self.generator, self.critic]

    def step(self, batch: dict[str, Tensor]) -> None:
        parts = batch[self.field].chunk(self.case["batches"])
        for repeat in range(self.n_critic):
            real = parts[repeat % len(parts)]
            with torch.no_grad():
                fake = self.generator(self._draw_latents(len(real)))
            real_scores, fake_scores = self.critic(torch.cat([real, fake])).chunk(2)
            penalty = penalized(self.critic, real, fake)
            self.update_critic(
                self.penalty_weight * penalty + fake_scores.mean() - real_scores.mean()
            )
        self.update_generator(
            -self.critic(self.generator(self._draw_latents(len(parts[0])))).mean()
        )

    def _draw_latents(self, n: int) -> Tensor:
        return torch.randn(n, self.latent_dim, device=self.device)
