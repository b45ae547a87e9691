"""Samples of Gated PixelCNN (van den Oord et al. 2016, arXiv 1606.05328), by hand in PyTorch, with caches and without.

Differences from ours: none in what is computed; the caches are written in place.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.peers import sampling
from benchmarks.peers.channels_last import FORMAT
from benchmarks.peers.gated_pixelcnn import GatedPixelCNN, gate


class Naive(sampling.Sampling):
    """The whole network for each pixel."""

    def build(
        self,
        *,
        image_shape: Sequence[int],
        levels: int,
        filters: int,
        layers: int,
        kernel_size: int,
        first_kernel_size: int,
        hidden: int,
        num_classes: int,
        **_: Any,
    ) -> None:
        if image_shape[-1] != 1 or not num_classes:
            raise ValueError("only images of one channel, of a class, are written")
        self.shape, self.levels, self.num_classes = tuple(image_shape[:2]), levels, num_classes
        sizes = (filters, layers, kernel_size, first_kernel_size, hidden, 0.0, num_classes)
        self.network = self.count(GatedPixelCNN(levels, *sizes)).to(memory_format=FORMAT)

    def sample(self, n: int) -> Tensor:
        label = torch.randint(self.num_classes, (n,), device=self.device)
        grid = torch.full((n, 1, *self.shape), -1.0, device=self.device)
        for row in range(self.shape[0]):
            for column in range(self.shape[1]):
                logits = self.network(grid, label)[:, :, row, column]
                grid[:, 0, row, column] = self.draw(logits)
        return grid

    def draw(self, logits: Tensor) -> Tensor:
        """Values in [-1, 1] from logits `(n, levels)`."""
        codes = torch.multinomial(logits.softmax(dim=1), 1)[:, 0]
        return codes * (2.0 / (self.levels - 1)) - 1.0


class Cached(Naive):
    """The vertical stack once for each row, the horizontal one once for each pixel, both on what was kept.

    Each layer keeps its inputs with the margins that its convolution looks into: the vertical ones as
    `(n, channels, rows, columns)`, the horizontal ones of the present row as `(n, columns, channels)`.
    """

    def build(self, **model: Any) -> None:
        super().build(**model)
        network = self.network
        # As matrices, for windows that lie in memory one pixel after the other.
        self.beside = [
            layer.horizontal.weight.permute(2, 3, 1, 0).flatten(0, 2).contiguous()
            for layer in network.layers
        ]
        self.residual = [
            (layer.residual.bias, layer.residual.weight[:, :, 0, 0].t().contiguous())
            for layer in network.layers
        ]
        self.head = [
            (layer.bias, layer.weight[:, :, 0, 0].t().contiguous()) for layer in network.head[1::2]
        ]

    def sample(self, n: int) -> Tensor:
        label = torch.randint(self.num_classes, (n,), device=self.device)
        conditions = self.network.conditions(label)[:, :, None, None].split(self.network.width, 1)
        above = [self._kept_above(n, layer.vertical) for layer in self.network.layers]
        grid = torch.empty(n, 1, *self.shape, device=self.device)
        for row in range(self.shape[0]):
            contexts = self._contexts(row, above, conditions)
            left = self._nothing_left(n)
            for column in range(self.shape[1]):
                values = self.draw(self._logits(column, left, contexts))
                left[0][:, column + self.reach(0), 0] = values
            grid[:, 0, row] = left[0][:, self.reach(0) :, 0]
            margins = self.network.layers[0].vertical.margins
            above[0][:, 0, margins[2] + row, self.reach(0) : -self.reach(0)] = grid[:, 0, row]
        return grid

    def reach(self, index: int) -> int:
        """How many pixels to the left a layer sees."""
        return self.network.layers[index].horizontal.margins[0]

    def _kept_above(self, n: int, convolution: torch.nn.Conv2d) -> Tensor:
        height, width = self.shape
        margin, reach = convolution.margins[2], convolution.padding[1]
        kept = torch.zeros(n, convolution.in_channels, margin + height, width + 2 * reach)
        return kept.to(self.device, memory_format=FORMAT)

    def _nothing_left(self, n: int) -> list[Tensor]:
        return [
            torch.zeros(n, self.reach(index) + self.shape[1], layer.horizontal.in_channels).to(
                self.device
            )
            for index, layer in enumerate(self.network.layers)
        ]

    def _contexts(
        self, row: int, above: list[Tensor], conditions: Sequence[Tensor]
    ) -> list[Tensor]:
        """What each layer of the horizontal stack adds at the pixels of a row: `(columns, n, features)`."""
        contexts, vectors = [], iter(conditions)
        for index, layer in enumerate(self.network.layers):
            convolution = layer.vertical
            rows = above[index][:, :, row : row + convolution.kernel_size[0]]
            seen = F.conv2d(rows, convolution.weight, convolution.bias)
            linked = layer.link(seen).add_(layer.horizontal.bias[:, None, None])
            linked.add_(next(vectors))
            contexts.append(linked[:, :, 0].permute(2, 0, 1).contiguous())
            if not layer.last:
                following = self.network.layers[index + 1].vertical
                reach, place = following.padding[1], following.margins[2] + row
                gated = gate(seen.add_(next(vectors)))
                above[index + 1][:, :, place, reach:-reach] = gated[:, :, 0]
        return contexts

    def _logits(self, column: int, left: list[Tensor], contexts: list[Tensor]) -> Tensor:
        current = None
        for index, (matrix, (bias, residual)) in enumerate(
            zip(self.beside, self.residual, strict=True)
        ):
            kept = left[index]
            if index:
                kept[:, column + self.reach(index)] = current
            # The first layer does not see the pixel itself.
            size = self.reach(index) + (index > 0)
            window = kept[:, column : column + size].flatten(1)
            gated = gate(torch.addmm(contexts[index][column], window, matrix))
            update = torch.addmm(bias, gated, residual)
            current = update.add_(current) if index else update
        hidden = torch.addmm(self.head[0][0], current.relu(), self.head[0][1]).relu_()
        return torch.addmm(self.head[1][0], hidden, self.head[1][1])
