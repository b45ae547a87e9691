"""The residual networks of SNGAN (Miyato et al. 2018, arXiv 1802.05957) and BigGAN (Brock et al. 2019, arXiv
1809.11096), as a PyTorch user would write them.

A network is told how its layers begin by a function from a layer to the same layer: `glorot`, or that and PyTorch's
`spectral_norm`. A normalization of fewer operations, written by hand, made no step quicker that could be measured.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers.dcgan import Unflatten
from benchmarks.peers.progressive_networks import double

Begun = Callable[[nn.Module], nn.Module]


def glorot(layer: nn.Module) -> nn.Module:
    """The layer, its weight drawn Glorot's way and its bias 0."""
    nn.init.xavier_uniform_(layer.weight)
    return _without_bias(layer)


def orthogonal(layer: nn.Module) -> nn.Module:
    """The layer, its weight an orthogonal matrix and its bias 0."""
    nn.init.orthogonal_(layer.weight)
    return _without_bias(layer)


def _without_bias(layer):
    if getattr(layer, "bias", None) is not None:
        nn.init.zeros_(layer.bias)
    return layer


def convolution(channels: int, features: int, size: int, *, bias: bool) -> nn.Conv2d:
    """A convolution that keeps the size of the image."""
    return nn.Conv2d(channels, features, size, padding=size // 2, bias=bias)


class ConditionalBatchNorm(nn.Module):
    """Batch normalization whose scale and shift depend on a condition of each example.

    Args:
        features: Channels of the images.
        told: From conditions to scale - 1 and shift, each `(batch, features)`.
    """

    def __init__(self, features: int, told: nn.Module):
        super().__init__()
        self.normalization = nn.BatchNorm2d(features, affine=False)
        self.told = told

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.told(condition)
        hidden = self.normalization(hidden)
        return torch.addcmul(shift[:, :, None, None], hidden, 1.0 + scale[:, :, None, None])


class OfLabel(nn.Module):
    """A scale and a shift for each class, 0 at first."""

    def __init__(self, classes: int, features: int):
        super().__init__()
        self.table = nn.Embedding(classes, 2 * features)
        nn.init.zeros_(self.table.weight)

    def forward(self, label: Tensor) -> tuple[Tensor, ...]:
        return self.table(label).chunk(2, dim=1)


class OfVector(nn.Module):
    """A scale and a shift that are linear in a vector."""

    def __init__(self, width: int, features: int, begun: Begun):
        super().__init__()
        self.scale = begun(nn.Linear(width, features, bias=False))
        self.shift = begun(nn.Linear(width, features, bias=False))

    def forward(self, vector: Tensor) -> tuple[Tensor, ...]:
        return self.scale(vector), self.shift(vector)


class Attention(nn.Module):
    """The self-attention of SAGAN (Zhang et al. 2019, arXiv 1805.08318): added, times a scalar that is 0 at first."""

    def __init__(self, channels: int, begun: Begun):
        super().__init__()

        def projection(inputs, outputs):
            return begun(convolution(inputs, outputs, 1, bias=False))

        self.queries = projection(channels, channels // 8)
        self.keys = projection(channels, channels // 8)
        self.values = projection(channels, channels // 2)
        self.output = projection(channels // 2, channels)
        self.gamma = nn.Parameter(torch.zeros(()))

    def forward(self, hidden: Tensor) -> Tensor:
        queries = _pixels(self.queries(hidden))
        keys = _pixels(F.max_pool2d(self.keys(hidden), 2))
        values = _pixels(F.max_pool2d(self.values(hidden), 2))
        # Values are wider than queries and keys, for which PyTorch has no kernel; its function is slower than this.
        attended = torch.softmax(queries @ keys.transpose(1, 2), dim=-1) @ values
        height, width = hidden.shape[2:]
        attended = attended.unflatten(1, (height, width)).permute(0, 3, 1, 2)
        return torch.addcmul(hidden, self.gamma, self.output(attended))


def _pixels(images):
    """`(batch, height * width, channels)`, a view of images that are channels last."""
    return images.permute(0, 2, 3, 1).flatten(1, 2)


class Doubling(nn.Module):
    """A block of a generator: normalized, doubled, two convolutions, and a convolution beside them."""

    def __init__(
        self, channels: int, features: int, told: Callable[[int], nn.Module], begun: Begun
    ):
        super().__init__()
        self.first_norm = ConditionalBatchNorm(channels, told(channels))
        self.first = begun(convolution(channels, features, 3, bias=False))
        self.second_norm = ConditionalBatchNorm(features, told(features))
        self.second = begun(convolution(features, features, 3, bias=False))
        self.shortcut = begun(convolution(channels, features, 1, bias=False))

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        change = self.first(double(F.relu_(self.first_norm(hidden, condition))))
        change = self.second(F.relu_(self.second_norm(change, condition)))
        return double(self.shortcut(hidden)) + change


class Shrinking(nn.Module):
    """A block of a discriminator: two convolutions and a shortcut, averaged over 2 x 2 pixels or not."""

    def __init__(self, channels: int, features: int, *, first: bool, halve: bool, begun: Begun):
        super().__init__()
        self.begins, self.halve = first, halve
        self.first = begun(convolution(channels, features, 3, bias=True))
        self.second = begun(convolution(features, features, 3, bias=True))
        changed = halve or channels != features
        self.shortcut = (
            begun(convolution(channels, features, 1, bias=True)) if changed else nn.Identity()
        )

    def forward(self, hidden: Tensor) -> Tensor:
        # Before the first block there are pixels.
        change = self.first(hidden if self.begins else F.relu(hidden))
        change = self.second(F.relu_(change))
        if self.halve:
            change, hidden = F.avg_pool2d(change, 2), F.avg_pool2d(hidden, 2)
        # What stands first decides how the sum lies in memory: of one channel the shortcut is not channels last.
        return change + self.shortcut(hidden)


class Generator(nn.Module):
    """From latents, and one condition for each block, to images `(batch, channels, height, width)` in [-1, 1].

    Args:
        latents: Width of what is projected.
        image_shape: (height, width, channels).
        filters: Of each block.
        told: Makes what says scale and shift of so many features.
        begun: How layers begin.
        attention: Height of the features that attend to each other; None for none.
    """

    def __init__(
        self,
        latents: int,
        image_shape: Sequence[int],
        filters: Sequence[int],
        told: Callable[[int], nn.Module],
        begun: Begun,
        attention: int | None = None,
    ):
        super().__init__()
        height, width, channels = image_shape
        height, width = height >> len(filters), width >> len(filters)
        self.projection = nn.Sequential(
            begun(nn.Linear(latents, height * width * filters[0])), Unflatten(height, width)
        )
        self.blocks, self.attentions = nn.ModuleList(), nn.ModuleList()
        for inputs, features in pairwise((filters[0], *filters)):
            self.blocks.append(Doubling(inputs, features, told, begun))
            height *= 2
            attends = height == attention
            self.attentions.append(Attention(features, begun) if attends else nn.Identity())
        self.image = nn.Sequential(
            nn.BatchNorm2d(filters[-1]),
            nn.ReLU(inplace=True),
            begun(convolution(filters[-1], channels, 3, bias=True)),
            nn.Tanh(),
        )

    def forward(self, latents: Tensor, conditions: Sequence[Tensor]) -> Tensor:
        hidden = self.projection(latents)
        for block, attend, condition in zip(self.blocks, self.attentions, conditions, strict=True):
            hidden = attend(block(hidden, condition))
        return self.image(hidden)


class Discriminator(nn.Module):
    """Scores `(batch, 1)` of images and labels: a linear one, and the product with a vector of the class.

    Args:
        image_shape: (height, width, channels).
        filters: Of each block.
        halvings: So many of the first blocks halve the image.
        classes: Number of labels.
        begun: How layers begin.
        attention: Height of the features that attend to each other; None for none.
    """

    def __init__(
        self,
        image_shape: Sequence[int],
        filters: Sequence[int],
        halvings: int,
        classes: int,
        begun: Begun,
        attention: int | None = None,
    ):
        super().__init__()
        height, _, channels = image_shape
        layers: list[nn.Module] = []
        for index, (inputs, features) in enumerate(pairwise((channels, *filters))):
            halve = index < halvings
            height >>= halve
            layers.append(Shrinking(inputs, features, first=index == 0, halve=halve, begun=begun))
            if height == attention:
                layers.append(Attention(features, begun))
                attention = None
        self.features = nn.Sequential(*layers, nn.ReLU(inplace=True))
        self.score = begun(nn.Linear(filters[-1], 1))
        self.table = begun(nn.Embedding(classes, filters[-1]))

    def forward(self, images: Tensor, label: Tensor) -> Tensor:
        features = self.features(images).sum((2, 3))
        return self.score(features) + (features * self.table(label)).sum(1, keepdim=True)
