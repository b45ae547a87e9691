"""normflows' multi-scale flow around the hand-written networks of the couplings.

Differences from ours: what is affine is undone where ours does it, (z - shift) / scale, and has as many parameters; the
library's squeeze orders channels its way; the two halves of channels change places in its splits.
"""

import math
from typing import Any

import normflows as nf
import torch
from torch import Tensor, nn

from benchmarks.peers import couplings, realnvp
from benchmarks.peers.channels_last import FORMAT
from benchmarks.peers.vae import halvings


class Maps(couplings.Coupling):
    """Shifts and log-scales, one after the other in the channels, as the library's coupling takes them."""

    def forward(self, kept: Tensor) -> Tensor:
        log_scale, shift = self.parameters_of(kept)
        return torch.stack([shift, log_scale], dim=2).flatten(1, 2)


class Shared(nn.Module):
    """The log-scale of a masked coupling; the shift is computed with it, and kept for the library's next call."""

    def __init__(self, network: couplings.Coupling):
        super().__init__()
        self.network, self.shift = network, None

    def forward(self, kept: Tensor) -> Tensor:
        log_scale, self.shift = self.network.parameters_of(kept)
        return log_scale


class Normalization(nf.flows.Flow):
    """Ours by hand, in the direction from images to latents; the library has no running averages."""

    def __init__(self, channels: int, momentum: float):
        super().__init__()
        self.normalization = couplings.RunningNormalization(channels, momentum)

    def inverse(self, z: Tensor) -> tuple[Tensor, Tensor]:
        return self.normalization(z)


def masked(size: tuple[int, int], channels: int, sizes: tuple, flip: bool) -> nf.flows.Flow:
    """A coupling that keeps the pixels of one colour of a checkerboard."""
    colour = torch.arange(size[0])[:, None] + torch.arange(size[1])
    kept = (colour % 2 == int(flip)).float().expand(channels, *size).contiguous()
    scale = Shared(couplings.Coupling(channels, *sizes, flip))
    return nf.flows.MaskedAffineFlow(kept, t=Shift(scale), s=scale)


class Shift(nn.Module):
    """Hands over what `Shared` has computed."""

    def __init__(self, shared: Shared):
        super().__init__()
        self.shared = [shared]

    def forward(self, kept: Tensor) -> Tensor:
        return self.shared[0].shift


class Training(realnvp.Training):
    """The same networks and updates; the library goes through the scales and sums the densities."""

    def build(self, **model: Any) -> None:
        super().build(**model)
        height, width, channels = model["image_shape"]
        count, momentum = model["couplings"] or 3, model["momentum"]
        last = halvings(height, width, model["num_scales"] - 1)
        levels, bases = [], []
        for scale in range(last + 1):
            sizes = (model["filters"] * 2**scale, model["blocks"], model["dropout"])
            flows: list[nf.flows.Flow] = []

            def add(flow: nf.flows.Flow, features: int, flows: list = flows) -> None:
                flows.append(flow)
                if model["batch_norm"]:
                    flows.append(Normalization(features, momentum))

            for index in range(count + (scale == last)):
                add(masked((height, width), channels, sizes, index % 2 == 1), channels)
            latents = (channels, height, width)
            if scale < last:
                height, width, channels = height // 2, width // 2, 2 * channels
                flows.append(nf.flows.Squeeze())
                for index in range(count):
                    mode = "channel_inv" if index % 2 else "channel"
                    block = nf.flows.AffineCouplingBlock(
                        Maps(channels, *sizes, False), split_mode=mode
                    )
                    add(block, 2 * channels)
                latents = (channels, height, width)
            bases.append(nf.distributions.DiagGaussian(latents, trainable=False))
            # The library's lists go from latents to images.
            levels.append(flows[::-1])
        merges = [nf.flows.Merge() for _ in range(last)]
        self.flow = nf.MultiscaleFlow(bases[::-1], levels[::-1], merges, class_cond=False)
        self.flow.to(self.device, memory_format=FORMAT)
        self.update = realnvp.Update(self.flow.parameters(), self.case["optimizers"]["main"])

    def loss(self, levels: Tensor) -> Tensor:
        grey = (levels + 0.5) / self.levels
        centred = ((1.0 - 2.0 * self.alpha) * (grey - 0.5)).clamp_(-0.5 + 1e-6, 0.5 - 1e-6)
        log_p, log_q = torch.log(0.5 + centred), torch.log(0.5 - centred)
        constant = self.size * math.log((1.0 - 2.0 * self.alpha) / self.levels)
        log_det = -(log_p + log_q).sum() / len(levels)
        return self.flow.forward_kld(log_p - log_q) - log_det - constant
