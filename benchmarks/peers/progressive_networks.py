"""The layers and networks of a progressive GAN (Karras et al. 2018, arXiv 1710.10196) in PyTorch."""

from collections.abc import Sequence
from itertools import islice, pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.peers.dcgan import Flatten, Unflatten

SQRT_2 = 2.0**0.5


class EqualizedLinear(nn.Linear):
    """A linear layer whose weights, from N(0, 1), are scaled in each call."""

    def __init__(self, inputs: int, outputs: int, gain: float = SQRT_2):
        super().__init__(inputs, outputs)
        self.scale = gain / inputs**0.5
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        return functional.linear(hidden, self.weight * self.scale, self.bias)


class EqualizedConv2d(nn.Conv2d):
    """A convolution that keeps the size, its weights, from N(0, 1), scaled in each call."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, gain: float = SQRT_2):
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        self.scale = gain / (inputs * kernel**2) ** 0.5
        nn.init.normal_(self.weight)
        nn.init.zeros_(self.bias)

    def forward(self, hidden: Tensor) -> Tensor:
        return self._conv_forward(hidden, self.weight * self.scale, self.bias)


def pixel_normalized(hidden: Tensor) -> Tensor:
    """Divides the channels, axis 1, by the root of their mean square."""
    return hidden * torch.rsqrt(hidden.square().mean(1, keepdim=True) + 1e-8)


class Activation(nn.Module):
    """LeakyReLU and pixelwise normalization: the generator's."""

    def forward(self, hidden: Tensor) -> Tensor:
        return pixel_normalized(functional.leaky_relu_(hidden, 0.2))


class MinibatchDeviation(nn.Module):
    """Adds a channel with the mean standard deviation over the batch."""

    def forward(self, hidden: Tensor) -> Tensor:
        deviation = (hidden.var(0, correction=0) + 1e-8).sqrt().mean()
        return torch.cat([hidden, deviation.expand_as(hidden[:, :1])], dim=1)


def leaky(layer: nn.Module) -> list[nn.Module]:
    """The layer and LeakyReLU 0.2."""
    return [layer, nn.LeakyReLU(0.2, inplace=True)]


def double(images: Tensor) -> Tensor:
    """Enlarges images to twice their sides by repeating pixels."""
    return functional.interpolate(images, scale_factor=2, mode="nearest")


class Generator(nn.Module):
    """The layers of all resolutions, and the way through them to resolution `last`."""

    def __init__(
        self, latent_dim: int, channels: int, filters: Sequence[int], side: int, last: int
    ):
        super().__init__()
        self.last = last
        # A quarter of He's constant, as in the paper's code.
        self.latents = EqualizedLinear(latent_dim, side * side * filters[0], SQRT_2 / 4.0)
        blocks = []
        for index, width in enumerate(filters):
            first = (
                [nn.UpsamplingNearest2d(scale_factor=2), EqualizedConv2d(filters[index - 1], width)]
                if index
                else [Unflatten(side, side)]
            )
            blocks.append(
                nn.Sequential(*first, Activation(), EqualizedConv2d(width, width), Activation())
            )
        self.blocks = nn.ModuleList(blocks)
        self.to_image = nn.ModuleList(EqualizedConv2d(each, channels, 1, 1.0) for each in filters)

    def trained(self, fading: bool) -> list[nn.Parameter]:
        """The parameters that the stage trains."""
        parts = [self.latents, *self.blocks[: self.last + 1], self.to_image[self.last]]
        parts += [self.to_image[self.last - 1]] if fading else []
        return [parameter for part in parts for parameter in part.parameters()]

    def forward(self, latents: Tensor, alpha: float | None) -> Tensor:
        hidden = before = self.latents(pixel_normalized(latents))
        for block in islice(self.blocks, self.last + 1):
            before, hidden = hidden, block(hidden)
        images = self.to_image[self.last](hidden)
        if alpha is None:
            return images
        return torch.lerp(double(self.to_image[self.last - 1](before)), images, alpha)


class Critic(nn.Module):
    """The mirror image of the generator."""

    def __init__(self, channels: int, filters: Sequence[int], side: int, last: int):
        super().__init__()
        self.last = last
        width = filters[0]
        self.from_image = nn.ModuleList(
            nn.Sequential(*leaky(EqualizedConv2d(channels, each, 1))) for each in filters
        )
        self.blocks = nn.ModuleList(
            nn.Sequential(
                *leaky(EqualizedConv2d(narrow, narrow)),
                *leaky(EqualizedConv2d(narrow, wide)),
                nn.AvgPool2d(2),
            )
            for wide, narrow in pairwise(filters)
        )
        self.head = nn.Sequential(
            MinibatchDeviation(),
            *leaky(EqualizedConv2d(width + 1, width)),
            Flatten(),
            *leaky(EqualizedLinear(side * side * width, width)),
            EqualizedLinear(width, 1, 1.0),
        )

    def trained(self, fading: bool) -> list[nn.Parameter]:
        """The parameters that the stage trains."""
        parts = [self.from_image[self.last], *self.blocks[: self.last], self.head]
        parts += [self.from_image[self.last - 1]] if fading else []
        return [parameter for part in parts for parameter in part.parameters()]

    def forward(self, images: Tensor, alpha: float | None) -> Tensor:
        hidden = self.from_image[self.last](images)
        for index in reversed(range(self.last)):
            hidden = self.blocks[index](hidden)
            if alpha is not None and index == self.last - 1:
                old = self.from_image[index](functional.avg_pool2d(images, 2))
                hidden = torch.lerp(old, hidden, alpha)
        return self.head(hidden)
