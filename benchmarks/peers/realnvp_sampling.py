"""Samples of RealNVP (Dinh, Sohl-Dickstein & Bengio 2017, arXiv 1605.08803), by hand in PyTorch.

Difference from ours: the weights are normalized once, before the first sample, instead of in each call.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers import sampling
from benchmarks.peers.channels_last import FORMAT
from benchmarks.peers.couplings import (
    ChannelCoupling,
    CheckerboardCoupling,
    RunningNormalization,
    Squeeze,
    WeightNormConv2d,
)
from benchmarks.peers.realnvp import Flow


class RealNVP(sampling.Sampling):
    """The flow backwards, from normal latents to images on their levels."""

    def build(
        self,
        *,
        image_shape: Sequence[int],
        levels: int,
        num_scales: int,
        couplings: int | None,
        filters: int,
        blocks: int,
        batch_norm: bool,
        momentum: float,
        alpha: float,
        **_: Any,
    ) -> None:
        sizes = (num_scales, couplings or 3, filters, blocks, momentum if batch_norm else None)
        flow = self.count(Flow(tuple(image_shape), *sizes, 0.0)).to(memory_format=FORMAT)
        replace_weight_norm(flow)
        self.scales = flow.scales
        height, width, channels = image_shape
        self.shapes = []
        for _scale in range(len(self.scales) - 1):
            height, width, channels = height // 2, width // 2, 2 * channels
            self.shapes.append((channels, height, width))
        self.shapes.append((channels, height, width))
        self.top = levels - 1
        self.stretch = 0.5 * levels / (1.0 - 2.0 * alpha)

    def sample(self, n: int) -> Tensor:
        latents = [torch.randn(n, *shape, device=self.device) for shape in self.shapes]
        # A logit's sigmoid, from the middle of the levels; then the nearest one, from 0.
        middle = torch.tanh(0.5 * self.decode(latents)).mul_(self.stretch).add_(0.5 * self.top)
        return middle.round_().clamp_(0, self.top).mul_(2.0 / self.top).sub_(1.0)

    def decode(self, latents: list[Tensor]) -> Tensor:
        """The logits of images from the latents of each scale."""
        *done, hidden = (part.contiguous(memory_format=FORMAT) for part in latents)
        for layers in reversed(self.scales):
            for layer in reversed(layers):
                hidden = INVERSES[type(layer)](layer, hidden)
            if done:
                hidden = torch.cat([done.pop(), hidden], dim=1)
        return hidden


def replace_weight_norm(module: nn.Module) -> None:
    """Puts plain convolutions with the normalized kernels in the place of those that normalize in each call."""
    for name, child in module.named_children():
        if not isinstance(child, WeightNormConv2d):
            replace_weight_norm(child)
            continue
        outputs, inputs, *size = child.weight.shape
        plain = nn.Conv2d(inputs, outputs, size, padding=child.padding, device=child.weight.device)
        plain.weight.copy_(torch._weight_norm(child.weight, child.gain, 0))
        plain.bias.copy_(child.bias)
        setattr(module, name, plain.requires_grad_(False).to(memory_format=FORMAT))


def _checkerboard(layer: CheckerboardCoupling, outputs: Tensor) -> Tensor:
    log_scale, shift = layer.parameters_of(outputs * layer.kept)
    changed = (outputs - shift).mul_(log_scale.neg().exp_())
    return torch.where(layer.kept.bool(), outputs, changed)


def _channels(layer: ChannelCoupling, outputs: Tensor) -> Tensor:
    first, second = outputs.chunk(2, dim=1)
    kept, changed = (second, first) if layer.flip else (first, second)
    log_scale, shift = layer.parameters_of(kept)
    changed = (changed - shift).mul_(log_scale.neg().exp_())
    return torch.cat((changed, kept) if layer.flip else (kept, changed), dim=1)


def _normalization(layer: RunningNormalization, outputs: Tensor) -> Tensor:
    return torch.addcmul(layer.mean, outputs, (layer.variance + 1e-5).sqrt_())


def _squeeze(_: nn.Module, outputs: Tensor) -> Tensor:
    n, channels, height, width = outputs.shape
    inputs = outputs.new_empty(n, channels // 4, 2 * height, 2 * width)
    inputs = inputs.contiguous(memory_format=FORMAT)
    corners = ((0, 0), (1, 1), (0, 1), (1, 0))
    for (row, column), part in zip(corners, outputs.chunk(4, dim=1), strict=True):
        inputs[:, :, row::2, column::2] = part
    return inputs


INVERSES = {
    CheckerboardCoupling: _checkerboard,
    ChannelCoupling: _channels,
    RunningNormalization: _normalization,
    Squeeze: _squeeze,
}
