"""Gated PixelCNN (van den Oord et al. 2016, arXiv 1606.05328) for images of one channel or grids of codes, by hand in PyTorch.

Differences from our model: the vectors of the class come from one table for all layers instead of a product with a
one-hot label for each; the bits per dimension are not kept.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers import training
from benchmarks.peers.channels_last import FORMAT, dropout
from benchmarks.peers.optimizers import Update


class PastConvolution(nn.Conv2d):
    """A convolution over the rows above, or over the pixels to the left; without the own ones if `strict`."""

    def __init__(self, inputs: int, outputs: int, size: int, stack: str, strict: bool):
        reach = size // 2
        own, dropped = (0, -1) if strict else (1, 0)
        if stack == "vertical":
            super().__init__(inputs, outputs, (reach + own, size), padding=(0, reach))
            self.margins = (0, 0, reach, dropped)
        else:
            super().__init__(inputs, outputs, (1, reach + own))
            self.margins = (reach, dropped, 0, 0)

    def forward(self, features: Tensor) -> Tensor:
        return super().forward(F.pad(features, self.margins))


def gate(features: Tensor) -> Tensor:
    """tanh of the first half of the features times the sigmoid of the second."""
    signal, opening = features.chunk(2, dim=1)
    return torch.tanh(signal) * torch.sigmoid(opening)


class Layer(nn.Module):
    """One layer of both stacks; the last one ends the vertical stack before its gate."""

    def __init__(
        self, inputs: int, filters: int, size: int, dropout: float, first: bool, last: bool
    ):
        super().__init__()
        self.first, self.last, self.dropout = first, last, dropout
        self.vertical = PastConvolution(inputs, 2 * filters, size, "vertical", first)
        self.link = nn.Conv2d(2 * filters, 2 * filters, 1, bias=False)
        self.horizontal = PastConvolution(inputs, 2 * filters, size, "horizontal", first)
        self.residual = nn.Conv2d(filters, filters, 1)

    def forward(
        self, vertical: Tensor, horizontal: Tensor, conditions: Iterator[Tensor] | None
    ) -> tuple[Tensor, Tensor]:
        above = self.vertical(vertical)
        # In place where no gradient needs what was there.
        beside = self.horizontal(horizontal).add_(self.link(above))
        if conditions is not None:
            beside.add_(next(conditions))
        change = self.residual(self._dropped(gate(beside)))
        horizontal = change if self.first else change.add_(horizontal)
        if self.last:
            return above, horizontal
        if conditions is not None:
            above = above + next(conditions)
        return self._dropped(gate(above)), horizontal

    def _dropped(self, features: Tensor) -> Tensor:
        return dropout(features, self.dropout) if self.dropout else features


class GatedPixelCNN(nn.Module):
    """From grids to logits `(batch, levels, height, width)`.

    Grids are values `(batch, 1, height, width)`, or with `codes` int64 codes `(batch, height, width)`.
    """

    def __init__(
        self,
        levels: int,
        filters: int,
        layers: int,
        kernel_size: int,
        first_kernel_size: int,
        hidden: int,
        dropout: float,
        num_classes: int | None,
        codes: bool = False,
    ):
        super().__init__()
        self.embedding = nn.Embedding(levels, filters) if codes else None
        self.layers = nn.ModuleList()
        for index in range(layers):
            first, last = index == 0, index == layers - 1
            inputs = 1 if first and not codes else filters
            size = first_kernel_size if first else kernel_size
            self.layers.append(Layer(inputs, filters, size, dropout, first, last))
        self.width = 2 * filters
        vectors = 2 * layers - 1
        self.conditions = nn.Embedding(num_classes, vectors * self.width) if num_classes else None
        self.head = nn.Sequential(
            nn.ReLU(),
            nn.Conv2d(filters, hidden, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(hidden, levels, 1),
        )

    def forward(self, grid: Tensor, label: Tensor | None) -> Tensor:
        features = self.embedding(grid).permute(0, 3, 1, 2) if self.embedding is not None else grid
        conditions = None
        if self.conditions is not None:
            conditions = iter(self.conditions(label)[:, :, None, None].split(self.width, dim=1))
        vertical = horizontal = features
        for layer in self.layers:
            vertical, horizontal = layer(vertical, horizontal, conditions)
        return self.head(horizontal)


class Training(training.Training):
    def build(
        self,
        *,
        image_shape: tuple[int, int, int],
        levels: int,
        filters: int,
        layers: int,
        kernel_size: int,
        first_kernel_size: int,
        hidden: int,
        dropout: float,
        num_classes: int | None,
        **_: Any,
    ) -> None:
        if image_shape[-1] != 1:
            raise ValueError(
                f"groups for the {image_shape[-1]} channels of a pixel are not written"
            )
        self.levels, self.conditional = levels, bool(num_classes)
        sizes = (filters, layers, kernel_size, first_kernel_size, hidden, dropout, num_classes)
        self.network = GatedPixelCNN(levels, *sizes)
        self.network.to(self.device, memory_format=FORMAT)
        self.update = Update(self.network.parameters(), self.case["optimizers"]["main"])

    def networks(self) -> list[nn.Module]:
        return [self.network]

    def step(self, batch: dict[str, Tensor]) -> None:
        self.update(self.loss(batch["image"], batch["label"] if self.conditional else None))

    def loss(self, images: Tensor, label: Tensor | None) -> Tensor:
        """Nats for each value of images `(batch, 1, height, width)`."""
        top = self.levels - 1
        nearest = torch.round((images + 1.0) * (0.5 * top)).clamp_(0, top)
        logits = self.network(nearest * (2.0 / top) - 1.0, label)
        return F.cross_entropy(logits, nearest[:, 0].long())
