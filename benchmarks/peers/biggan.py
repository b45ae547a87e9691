"""BigGAN (Brock et al. 2019, arXiv 1809.11096), as a PyTorch user would write it.

Differences from ours: those of `sngan`, for u of both networks, which in the generator moves once for all fakes of the
discriminator's updates. The gradient of the orthogonal penalty is added to the others in closed form, as in the
authors' code, and its value is not known.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from benchmarks.peers import residual_gan, sngan
from benchmarks.peers.residual_gan import Discriminator, OfVector, orthogonal


def begun(layer: nn.Module) -> nn.Module:
    """The layer, spectrally normalized from an orthogonal weight."""
    return spectral_norm(orthogonal(layer))


class Generator(residual_gan.Generator):
    """Images of latents and labels: a part of the latents for the projection, and one for each block.

    Args:
        latent_dim: Width of all parts together.
        class_dim: Of the embedding of the class.
        classes: Number of labels.
        image_shape: (height, width, channels).
        filters: Of each block.
        attention: Height of the features that attend to each other; None for none.
    """

    def __init__(
        self,
        latent_dim: int,
        class_dim: int,
        classes: int,
        image_shape: Sequence[int],
        filters: Sequence[int],
        attention: int | None,
    ):
        part = latent_dim // (len(filters) + 1)
        super().__init__(
            part,
            image_shape,
            filters,
            lambda features: OfVector(class_dim + part, features, begun),
            begun,
            attention,
        )
        self.table = orthogonal(nn.Embedding(classes, class_dim))

    def forward(self, latents: Tensor, label: Tensor) -> Tensor:
        first, *parts = latents.chunk(len(self.blocks) + 1, dim=1)
        embedded = self.table(label)
        return super().forward(first, [torch.cat([embedded, part], dim=1) for part in parts])


class Training(sngan.Training):
    """`n_critic` updates of the discriminator, each on its own part of the batch, then one of the generator."""

    def build(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        class_dim: int,
        generator_filters: Sequence[int],
        discriminator_filters: Sequence[int],
        halvings: int,
        attention: int | None,
        orthogonal_weight: float,
        n_critic: int,
        num_classes: int | None,
        **_: Any,
    ) -> None:
        if not num_classes:
            raise ValueError("no BigGAN without labels is written")
        generator = Generator(
            latent_dim, class_dim, num_classes, image_shape, generator_filters, attention
        )
        discriminator = Discriminator(
            image_shape, discriminator_filters, halvings, num_classes, begun, attention
        )
        self.play(generator, discriminator, latent_dim, n_critic)
        self.orthogonal_weight = orthogonal_weight
        table = generator.table.weight
        self._kernels = [p for p in generator.parameters() if p.ndim > 1 and p is not table]
        self.update_generator.optimizer.register_step_pre_hook(self._regularize)

    @torch.no_grad()
    def _regularize(self, *_: Any) -> None:
        """Adds the gradient of `||W W^T * (1 - I)||^2` of each kernel, 4 (W W^T * (1 - I)) W, weighted."""
        for kernel in self._kernels:
            rows = matrix(kernel)
            products = (rows @ rows.t()).fill_diagonal_(0.0)
            matrix(kernel.grad).addmm_(products, rows, alpha=4.0 * self.orthogonal_weight)


def matrix(weight: Tensor) -> Tensor:
    """A weight as `(outputs, all inputs)`: a view, of a kernel of a convolution if it is channels last in memory."""
    return (weight.permute(0, 2, 3, 1) if weight.ndim == 4 else weight).flatten(1)
