"""A block of StyleGAN2's generator (Karras et al. 2020, arXiv 1912.04958) in bfloat16, forward and backward.

The blur after the transposed convolution is a sum of shifted features, which a compiler fuses, or a convolution
of each channel for itself: eager PyTorch takes what is faster, as it does with memory formats.
"""

import itertools
import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.gpu.pytorch import device as devices


def shifted_blur(features: Tensor, dim: int) -> Tensor:
    """Smooths along a dimension by [1, 3, 3, 1] / 4, one shorter."""
    padding = (1, 1) if dim == 3 else (0, 0, 1, 1)
    size = features.shape[dim] - 1
    parts = [F.pad(features, padding).narrow(dim, start, size) for start in range(4)]
    return 0.25 * (parts[0] + parts[3]) + 0.75 * (parts[1] + parts[2])


def convolved_blur(features: Tensor) -> Tensor:
    """The same along both sides, as a convolution with a fixed kernel."""
    line = features.new_tensor([0.25, 0.75, 0.75, 0.25])
    kernel = (line[:, None] * line).expand(features.shape[1], 1, 4, 4)
    return F.conv2d(features, kernel, padding=1, groups=features.shape[1])


class ModulatedConvolution(nn.Module):
    """A 3 x 3 convolution scaled by styles, with noise, bias and leaky ReLU."""

    def __init__(self, inputs: int, outputs: int, latent_dim: int, up: bool = False):
        super().__init__()
        self.up, self.convolves_blur = up, False
        self.affine = nn.Linear(latent_dim, inputs)
        nn.init.ones_(self.affine.bias)
        # The transposed convolution takes its kernel the other way round.
        shape = (inputs, outputs, 3, 3) if up else (outputs, inputs, 3, 3)
        self.weight = nn.Parameter(torch.randn(shape))
        self.strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain = 1.0 / math.sqrt(9 * inputs)

    def forward(self, features: Tensor, latents: Tensor) -> Tensor:
        styles = self.affine(latents)
        kernel = self.weight * self.gain
        features = features * styles[:, :, None, None]
        if self.up:
            features = F.conv_transpose2d(features, kernel, stride=2)
            if self.convolves_blur:
                features = convolved_blur(features)
            else:
                features = shifted_blur(shifted_blur(features, 2), 3)
        else:
            features = F.conv2d(features, kernel, padding=1)
        squares = kernel.float().square().sum(dim=(2, 3))
        norms = styles.float().square() @ (squares if self.up else squares.T)
        demodulation = torch.rsqrt(norms + 1e-8).to(features.dtype)
        noise = torch.randn_like(features[:, :1]) * self.strength
        features = torch.addcmul(
            noise + self.bias[:, None, None], features, demodulation[:, :, None, None]
        )
        return F.leaky_relu(features, 0.2) * math.sqrt(2.0)


class Block(nn.Module):
    """Two convolutions, of which the first doubles height and width, to the mean square of the outputs."""

    def __init__(self, inputs: int, outputs: int, latent_dim: int):
        super().__init__()
        self.first = ModulatedConvolution(inputs, outputs, latent_dim, up=True)
        self.second = ModulatedConvolution(outputs, outputs, latent_dim)

    def forward(self, features: Tensor, latents: Tensor) -> Tensor:
        hidden = self.second(self.first(features, latents), latents)
        return hidden.float().square().mean()


class Contender:
    """One unit is the gradients of a loss for features, latents and all parameters.

    Args:
        case: `size`, `inputs`, `outputs`, `latent_dim` and `batch_size`.
        device: "cpu" or "cuda".
        compiled: Compile the loss, its gradient included.
    """

    def __init__(self, case: dict[str, Any], device: str = "cuda", compiled: bool = False):
        self.case, self.device, self._done = case, devices.prepare(device), 0
        self._compiled = compiled
        self._loss = self._made().to(self.device)
        self._latents, self._features = self._inputs(self.device)
        self._choice = (torch.channels_last, False)
        if compiled:
            self._arrange(self._choice)
            self._loss.compile(dynamic=False)
        else:
            choices = itertools.product(devices.FORMATS, (False, True))
            self._choice = devices.fastest(choices, self._try, self.device)
            self._arrange(self._choice)

    def facts(self) -> dict[str, Any]:
        """Parameters, units done, operations of one and the device's memory."""
        found = {"parameters": devices.parameters(self._loss), "done": self._done}
        found |= devices.facts(self.device)
        if self._compiled:
            return found
        latents, features = self._inputs("meta")
        loss = self._made().to("meta")
        flops = devices.operations(loss, features, latents, backward=True)
        return {**found, "flops": flops, "format": str(self._choice)}

    def run(self, units: int) -> None:
        """So many times forward and backward."""
        for _ in range(units):
            self._gradients()
            self._done += 1
        devices.wait(self.device)

    def _made(self) -> Block:
        names = ("inputs", "outputs", "latent_dim")
        return Block(*(self.case[name] for name in names)).bfloat16()

    def _inputs(self, device: torch.device | str) -> tuple[Tensor, Tensor]:
        batch, size = self.case["batch_size"], self.case["size"]
        options = {"device": device, "dtype": torch.bfloat16, "requires_grad": True}
        latents = torch.randn(batch, self.case["latent_dim"], **options)
        return latents, torch.randn(batch, self.case["inputs"], size, size, **options)

    def _arrange(self, choice: tuple[torch.memory_format, bool]) -> None:
        memory_format, convolves_blur = choice
        self._loss.to(memory_format=memory_format)
        self._loss.first.convolves_blur = convolves_blur
        features = self._features.detach().contiguous(memory_format=memory_format)
        self._features = features.requires_grad_()

    def _try(self, choice: tuple[torch.memory_format, bool]) -> None:
        self._arrange(choice)
        self._gradients()

    def _gradients(self) -> None:
        wanted = [self._features, self._latents, *self._loss.parameters()]
        torch.autograd.grad(self._loss(self._features, self._latents), wanted)
