"""SNGAN (Miyato et al. 2018, arXiv 1802.05957) with a projection discriminator (Miyato & Koyama 2018, arXiv 1802.05637),
as a PyTorch user would write it.

Differences from ours: data and fakes go through the discriminator in one batch, for which u moves once and not twice;
it moves in the generator's phase too, as in the authors' code, and begins with PyTorch's 15 iterations. The fakes of all
updates of the discriminator are drawn before the first, as the generator stays the same. The moving averages of the
batch normalization also count these batches, and their variances are those of a sample. Curves of scores are not kept.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import spectral_norm

from benchmarks.peers import residual_gan, training
from benchmarks.peers.optimizers import Update
from benchmarks.peers.residual_gan import Discriminator, OfLabel, glorot


class Generator(residual_gan.Generator):
    """Images of latents and labels."""

    def forward(self, latents: Tensor, label: Tensor) -> Tensor:
        return super().forward(latents, [label] * len(self.blocks))


class Training(training.Training):
    """`n_critic` updates of the discriminator, each on its own part of the batch, then one of the generator."""

    def build(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        network: str,
        generator_filters: Sequence[int],
        discriminator_filters: Sequence[int],
        halvings: int,
        loss: str,
        n_critic: int,
        num_classes: int | None,
        **_: Any,
    ) -> None:
        if network != "residual" or loss != "hinge" or not num_classes:
            raise ValueError(
                f"no such game is written: network={network}, loss={loss}, num_classes={num_classes}"
            )
        generator = Generator(
            latent_dim,
            image_shape,
            generator_filters,
            lambda features: OfLabel(num_classes, features),
            glorot,
        )
        discriminator = Discriminator(
            image_shape,
            discriminator_filters,
            halvings,
            num_classes,
            lambda layer: spectral_norm(glorot(layer)),
        )
        self.play(generator, discriminator, latent_dim, n_critic)

    def play(
        self, generator: nn.Module, discriminator: nn.Module, latent_dim: int, n_critic: int
    ) -> None:
        """Takes the players, and makes their optimizers."""
        if self.case["batches"] not in (1, n_critic):
            raise ValueError(f"{n_critic} updates cannot share {self.case['batches']} batches")
        self.latent_dim, self.n_critic = latent_dim, n_critic
        self.generator, self.discriminator = generator, discriminator
        for network in self.networks():
            network.to(self.device, memory_format=torch.channels_last)
        blocks = self.case["optimizers"]
        self.update_discriminator = Update(discriminator.parameters(), blocks["discriminator"])
        moments = [each for each in generator.modules() if isinstance(each, nn.BatchNorm2d)]
        self.update_generator = Update(
            generator.parameters(),
            blocks["generator"],
            beside=[each for m in moments for each in (m.running_mean, m.running_var)],
        )

    def networks(self) -> list[nn.Module]:
        return [self.generator, self.discriminator]

    def step(self, batch: dict[str, Tensor]) -> None:
        images, labels = (batch[field].chunk(self.case["batches"]) for field in ("image", "label"))
        turns = [turn % len(images) for turn in range(self.n_critic)]
        with torch.no_grad(), parametrize.cached():
            fakes = [self._generated(labels[turn]) for turn in turns]
        for turn, fake in zip(turns, fakes, strict=True):
            both = torch.cat([images[turn], fake])
            real_scores, fake_scores = self.discriminator(both, labels[turn].repeat(2)).chunk(2)
            self.update_discriminator(
                F.relu(1.0 - real_scores).mean() + F.relu(1.0 + fake_scores).mean()
            )
        label = labels[0]
        self.update_generator(-self.discriminator(self._generated(label), label).mean())

    def _generated(self, label: Tensor) -> Tensor:
        return self.generator(torch.randn(len(label), self.latent_dim, device=self.device), label)
