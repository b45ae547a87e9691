"""The invertible layers of RealNVP (Dinh et al. 2017, arXiv 1605.08803) for images, by hand in PyTorch.

Each returns its outputs and the log-determinant of its Jacobian, `(batch,)` or one number for all.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.peers.channels_last import FORMAT, dropout


class WeightNormConv2d(nn.Conv2d):
    """A convolution whose kernel is a direction times a learned length, for each output channel."""

    def __init__(self, inputs: int, outputs: int, size: int = 3, gain: float = 1.0):
        super().__init__(inputs, outputs, size, padding=size // 2)
        nn.init.xavier_uniform_(self.weight)
        nn.init.zeros_(self.bias)
        self.gain = nn.Parameter(torch.full((outputs, 1, 1, 1), gain))

    def forward(self, features: Tensor) -> Tensor:
        kernel = torch._weight_norm(self.weight, self.gain, 0)
        # Where there is one channel, the kernel's format alone decides the one of the outputs.
        kernel = kernel.contiguous(memory_format=FORMAT)
        return F.conv2d(features, kernel, self.bias, padding=self.padding)


class Residual(nn.Module):
    """ReLU, 3 x 3 convolution, ReLU, 1 x 1 convolution, added to the input."""

    def __init__(self, filters: int, dropout: float):
        super().__init__()
        self.dropout = dropout
        self.wide = WeightNormConv2d(filters, filters, gain=2.0**0.5)
        self.narrow = WeightNormConv2d(filters, filters, 1)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = F.relu(self.wide(F.relu(inputs)), inplace=True)
        if self.dropout:
            hidden = dropout(hidden, self.dropout)
        return self.narrow(hidden).add_(inputs)


class Coupling(nn.Module):
    """Scales and shifts one part of the features by functions of the other; returns also log_det `(batch,)`."""

    def __init__(self, channels: int, filters: int, blocks: int, dropout: float, flip: bool):
        super().__init__()
        self.flip = flip
        stack = [Residual(filters, dropout) for _ in range(blocks)]
        self.network = nn.Sequential(
            WeightNormConv2d(channels, filters),
            *stack,
            nn.ReLU(),
            WeightNormConv2d(filters, 2 * channels, 1, gain=0.0),
        )
        self.rescale = nn.Parameter(torch.ones(channels, 1, 1))

    def parameters_of(self, kept: Tensor) -> tuple[Tensor, Tensor]:
        """The log-scale and the shift of what changes."""
        raw_scale, shift = self.network(kept).chunk(2, dim=1)
        return self.rescale * torch.tanh(raw_scale), shift


class CheckerboardCoupling(Coupling):
    """Keeps the pixels of one colour of a checkerboard."""

    def __init__(self, size: tuple[int, int], *sizes: Any):
        super().__init__(*sizes)
        colour = torch.arange(size[0])[:, None] + torch.arange(size[1])
        kept = (colour % 2 == int(self.flip)).float()
        self.register_buffer("kept", kept, persistent=False)
        self.register_buffer("changed", 1.0 - kept, persistent=False)

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = self.parameters_of(inputs * self.kept)
        log_scale = log_scale * self.changed
        outputs = torch.addcmul(shift * self.changed, inputs, log_scale.exp())
        return outputs, log_scale.sum(dim=(1, 2, 3))


class ChannelCoupling(Coupling):
    """Keeps one half of the channels."""

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        first, second = inputs.chunk(2, dim=1)
        kept, changed = (second, first) if self.flip else (first, second)
        log_scale, shift = self.parameters_of(kept)
        changed = torch.addcmul(shift, changed, log_scale.exp())
        parts = (changed, kept) if self.flip else (kept, changed)
        return torch.cat(parts, dim=1), log_scale.sum(dim=(1, 2, 3))


class RunningNormalization(nn.Module):
    """Normalizes by the running averages, of which the present batch is the newest part; gradients pass through it."""

    def __init__(self, channels: int, momentum: float):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("variance", torch.ones(channels, 1, 1))

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        batch_mean = inputs.mean(dim=(0, 2, 3))[:, None, None]
        batch_variance = inputs.square().mean(dim=(0, 2, 3))[:, None, None] - batch_mean.square()
        mean = torch.lerp(batch_mean, self.mean, self.momentum)
        variance = torch.lerp(batch_variance, self.variance, self.momentum)
        self.mean, self.variance = mean.detach(), variance.detach()
        inverse = torch.rsqrt(variance + 1e-5)
        log_det = inputs.shape[2] * inputs.shape[3] * inverse.log().sum()
        return (inputs - mean) * inverse, log_det


class Squeeze(nn.Module):
    """Turns 2 x 2 squares of pixels into channels, one diagonal first."""

    def forward(self, inputs: Tensor) -> tuple[Tensor, float]:
        corners = ((0, 0), (1, 1), (0, 1), (1, 0))
        return torch.cat([inputs[:, :, row::2, column::2] for row, column in corners], dim=1), 0.0
