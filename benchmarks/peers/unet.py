"""The U-Net of Ho et al. 2020 (arXiv 2006.11239, appendix B) in PyTorch, of the sizes of ours.

Differences from our network: a convolution of stride 2 pads all sides by one, ours on even sizes only the lower
ones, so that this network is ours in a mirror; the embeddings of all times are a table.
"""

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

GROUPS = 8


class Residual(nn.Module):
    """Two convolutions, told of time and label in between, and what they add to."""

    def __init__(self, channels: int, width: int, condition: int, dropout: float):
        super().__init__()
        self.first_norm = nn.GroupNorm(GROUPS, channels, eps=1e-5)
        self.first = convolution(channels, width, 3)
        self.shift = dense(condition, width)
        self.second_norm = nn.GroupNorm(GROUPS, width, eps=1e-5)
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.second = from_zero(nn.Conv2d(width, width, 3, padding=1))
        self.shortcut = nn.Identity() if channels == width else convolution(channels, width, 1)

    def forward(self, hidden: Tensor, condition: Tensor) -> Tensor:
        update = self.first(F.silu(self.first_norm(hidden)))
        update = update + self.shift(condition)[:, :, None, None]
        update = self.dropout(F.silu(self.second_norm(update), inplace=True))
        return self.shortcut(hidden) + self.second(update)


class Attention(nn.Module):
    """Every pixel attends to every pixel, with one head; the result is added."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.GroupNorm(GROUPS, channels, eps=1e-5)
        self.projection = dense(channels, 3 * channels)
        self.output = from_zero(nn.Linear(channels, channels))

    def forward(self, hidden: Tensor) -> Tensor:
        shape = hidden.shape
        pixels = self.norm(hidden).flatten(2).transpose(1, 2)
        queries, keys, values = self.projection(pixels)[:, None].chunk(3, dim=-1)
        attended = F.scaled_dot_product_attention(queries, keys, values)[:, 0]
        return hidden + self.output(attended).transpose(1, 2).reshape(shape)


class UNet(nn.Module):
    """From images `(batch, channels, height, width)`, times and labels `(batch,)`, to the noise in them."""

    def __init__(
        self,
        image_shape: Sequence[int],
        *,
        timesteps: int,
        filters: int,
        multipliers: Sequence[int],
        blocks: int,
        attention: Sequence[int],
        dropout: float,
        num_classes: int | None,
    ):
        super().__init__()
        height, _, channels = image_shape
        condition = 4 * filters
        self.register_buffer("times", sinusoids(timesteps, filters), persistent=False)
        self.embedding = nn.Sequential(
            dense(filters, condition), nn.SiLU(), dense(condition, condition)
        )
        self.labels = nn.Embedding(num_classes + 1, condition) if num_classes else None

        def block(inputs: int, width: int) -> nn.ModuleList:
            parts = [Residual(inputs, width, condition, dropout)]
            return nn.ModuleList(parts + ([Attention(width)] if height in attention else []))

        self.first = convolution(channels, filters, 3)
        self.down, width, skips = nn.ModuleList(), filters, [filters]
        for stage, multiplier in enumerate(multipliers):
            if stage:
                self.down.append(convolution(width, width, 3, 2))
                skips.append(width)
                height //= 2
            for _ in range(blocks):
                self.down.append(block(width, filters * multiplier))
                width = filters * multiplier
                skips.append(width)
        self.middle = nn.ModuleList(
            [
                Residual(width, width, condition, dropout),
                Attention(width),
                Residual(width, width, condition, dropout),
            ]
        )
        self.up = nn.ModuleList()
        for stage, multiplier in reversed(list(enumerate(multipliers))):
            for _ in range(blocks + 1):
                self.up.append(block(width + skips.pop(), filters * multiplier))
                width = filters * multiplier
            if stage:
                self.up.append(
                    nn.Sequential(nn.Upsample(scale_factor=2), convolution(width, width, 3))
                )
                height *= 2
        self.last_norm = nn.GroupNorm(GROUPS, width, eps=1e-5)
        self.last = from_zero(nn.Conv2d(width, channels, 3, padding=1))

    def forward(self, images: Tensor, time: Tensor, label: Tensor | None) -> Tensor:
        condition = self.embedding(self.times[time])
        if self.labels is not None:
            condition = condition + self.labels(label)
        condition = F.silu(condition)
        hidden = self.first(images)
        skips = [hidden]
        for part in self.down:
            hidden = run(part, hidden, condition)
            skips.append(hidden)
        hidden = run(self.middle, hidden, condition)
        for part in self.up:
            if isinstance(part, nn.ModuleList):
                hidden = torch.cat([hidden, skips.pop()], dim=1)
            hidden = run(part, hidden, condition)
        return self.last(F.silu(self.last_norm(hidden), inplace=True))


def run(part: nn.Module, hidden: Tensor, condition: Tensor) -> Tensor:
    """Calls a convolution, or the residual blocks and attentions of a list one after the other."""
    if not isinstance(part, nn.ModuleList):
        return part(hidden)
    for layer in part:
        hidden = layer(hidden, condition) if isinstance(layer, Residual) else layer(hidden)
    return hidden


def sinusoids(timesteps: int, width: int) -> Tensor:
    """Sines and cosines of the times 0 to `timesteps`, as if there were 1000: `(timesteps + 1, width)`."""
    half = width // 2
    frequencies = torch.exp(torch.arange(half) * (-math.log(10000.0) / (half - 1)))
    angles = torch.arange(timesteps + 1)[:, None] * (1000.0 / timesteps) * frequencies
    return torch.cat([angles.sin(), angles.cos()], dim=-1)


def convolution(channels: int, width: int, size: int, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size, or halves it, with Glorot's initial weights."""
    layer = nn.Conv2d(channels, width, size, stride, padding=size // 2)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def dense(features: int, width: int) -> nn.Linear:
    """A linear layer with Glorot's initial weights."""
    layer = nn.Linear(features, width)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def from_zero(layer: nn.Module) -> nn.Module:
    """The layer, with weights of zero."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
