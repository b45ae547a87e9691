"""Gated PixelCNN (van den Oord et al. 2016, arXiv 1606.05328) for images in colour, in bfloat16.

Features are in one group for each colour; at the pixel itself a group sees those up to its own. Without labels.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.gpu.pytorch import training
from benchmarks.peers.gated_pixelcnn import gate


class PastConvolution(nn.Conv2d):
    """A convolution over the rows above with the own one, or over the pixels to the left with the own one.

    Args:
        inputs: Channels.
        outputs: Channels.
        size: Side of the window, odd.
        stack: "vertical" or "horizontal".
        colours: Groups of features.
        strict: Leave out the own row, or at the own pixel the own group (mask A).
        parts: The outputs are so many parts of all groups each.
        bias: Add one.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: int,
        stack: str,
        *,
        colours: int,
        strict: bool = False,
        parts: int = 1,
        bias: bool = True,
    ):
        reach = size // 2
        if stack == "vertical":
            window, self_margins = (reach + (not strict), size), (reach, reach, reach, -strict)
        else:
            window, self_margins = (1, reach + 1), (reach, 0, 0, 0)
        super().__init__(inputs, outputs, window, bias=bias)
        self.margins = tuple(map(int, self_margins))
        mask = None
        if stack == "horizontal" and colours > 1:
            of_input = torch.arange(inputs) * colours // inputs
            part = outputs // parts
            of_output = torch.arange(outputs) % part * colours // part
            mask = torch.ones(outputs, inputs, *window)
            seen = of_input < of_output[:, None] if strict else of_input <= of_output[:, None]
            mask[..., -1] = seen[..., None]
            mask = mask.bfloat16()
        self.register_buffer("mask", mask)

    def forward(self, features: Tensor) -> Tensor:
        kernel = self.weight if self.mask is None else self.weight * self.mask
        if any(self.margins):
            features = F.pad(features, self.margins)
        return F.conv2d(features, kernel, self.bias)


class Layer(nn.Module):
    """One layer of both stacks; the last one ends the vertical stack before its gate."""

    def __init__(self, inputs: int, filters: int, size: int, colours: int, first: bool, last: bool):
        super().__init__()
        self.first, self.last = first, last
        sizes = {"colours": colours, "strict": first}
        self.vertical = PastConvolution(inputs, 2 * filters, size, "vertical", **sizes)
        self.link = nn.Conv2d(2 * filters, 2 * filters, 1, bias=False)
        self.horizontal = PastConvolution(inputs, 2 * filters, size, "horizontal", parts=2, **sizes)
        self.residual = PastConvolution(filters, filters, 1, "horizontal", colours=colours)

    def forward(self, vertical: Tensor, horizontal: Tensor) -> tuple[Tensor, Tensor]:
        above = self.vertical(vertical)
        beside = self.horizontal(horizontal).add_(self.link(above))
        change = self.residual(gate(beside))
        horizontal = change if self.first else change.add_(horizontal)
        return above if self.last else gate(above), horizontal


class Loss(nn.Module):
    """Nats of each value of images `(batch, colours, height, width)` in [-1, 1]."""

    def __init__(
        self,
        image_shape: Sequence[int],
        levels: int,
        filters: int,
        layers: int,
        kernel_size: int,
        first_kernel_size: int,
        hidden: int,
    ):
        super().__init__()
        self.levels, self.colours = levels, image_shape[-1]
        self.layers = nn.ModuleList()
        for index in range(layers):
            first = index == 0
            inputs, size = (self.colours, first_kernel_size) if first else (filters, kernel_size)
            last = index == layers - 1
            self.layers.append(Layer(inputs, filters, size, self.colours, first, last))
        sizes = {"size": 1, "stack": "horizontal", "colours": self.colours}
        self.head = nn.Sequential(
            nn.ReLU(),
            PastConvolution(filters, hidden, **sizes),
            nn.ReLU(inplace=True),
            PastConvolution(hidden, self.colours * levels, **sizes),
        )

    def forward(self, images: Tensor) -> Tensor:
        top = self.levels - 1
        codes = torch.round((images + 1.0) * (0.5 * top)).clamp_(0, top)
        vertical = horizontal = (codes * (2.0 / top) - 1.0).to(self.head[1].weight.dtype)
        for layer in self.layers:
            vertical, horizontal = layer(vertical, horizontal)
        # With the channels last in memory the levels of a value lie side by side.
        logits = self.head(horizontal).permute(0, 2, 3, 1).reshape(-1, self.levels)
        log_probs = F.log_softmax(logits, dim=-1, dtype=torch.float32)
        return F.nll_loss(log_probs, codes.permute(0, 2, 3, 1).reshape(-1).long())


class Training(training.Training):
    """One update a step."""

    def make_loss(self, **model: Any) -> nn.Module:
        return Loss(**model)
