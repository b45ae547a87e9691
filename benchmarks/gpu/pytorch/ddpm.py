"""Denoising diffusion (Ho et al. 2020, arXiv 2006.11239) at 32 x 32 in bfloat16, with the U-Net of `benchmarks.peers`."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.gpu.pytorch import device as devices
from benchmarks.gpu.pytorch import training
from benchmarks.peers.ddpm import alpha_bars
from benchmarks.peers.unet import UNet


def denoiser(model: dict[str, Any]) -> UNet:
    """The U-Net of a case without labels; its parameters are float32 still, its table of times is not."""
    names = ("timesteps", "filters", "multipliers", "blocks", "attention", "dropout")
    sizes = {name: model[name] for name in names}
    network = UNet(model["image_shape"], num_classes=None, **sizes)
    network.times = network.times.bfloat16()
    return network


class Loss(nn.Module):
    """The error of the noise that the U-Net sees in noisy images."""

    def __init__(self, model: dict[str, Any]):
        super().__init__()
        self.denoiser, self.timesteps = denoiser(model), model["timesteps"]
        alpha_bar = alpha_bars(model["schedule"], self.timesteps)
        for name, table in (("signal", alpha_bar.sqrt()), ("noise", (1.0 - alpha_bar).sqrt())):
            self.register_buffer(name, table.float())

    def forward(self, images: Tensor) -> Tensor:
        time = torch.randint(1, self.timesteps + 1, images.shape[:1], device=images.device)
        noise = torch.randn_like(images)
        signal, deviation = (table[time].view(-1, 1, 1, 1) for table in (self.signal, self.noise))
        noisy = (signal * images + deviation * noise).to(self.denoiser.last.weight.dtype)
        return F.mse_loss(self.denoiser(noisy, time, None).float(), noise)


class Training(training.Training):
    """One update a step."""

    def make_loss(self, **model: Any) -> nn.Module:
        return Loss(model)


class Sampling:
    """DDIM (Song et al. 2021, arXiv 2010.02502); one unit is a batch of samples, on the host.

    Args:
        case: From `benchmarks.gpu.cases`; `options` has the number of steps.
        device: "cpu" or "cuda".
        compiled: Compile a step of the sampler.
    """

    def __init__(self, case: dict[str, Any], device: str = "cuda", compiled: bool = False):
        self.case, self.device = case, devices.prepare(device)
        self.network = denoiser(case["model"]).to(self.device).bfloat16().eval()
        self._shape = (case["batch_size"], *_channels_first(case["model"]["image_shape"]))
        self._tables = tables(case["model"], case["options"]["steps"], self.device)
        self._format, self._done, self._compiled = torch.channels_last, 0, compiled
        if compiled:
            self._step = torch.compile(self._step, dynamic=False)
        else:
            self._format = devices.fastest(devices.FORMATS, self._try, self.device)
        self.network.to(memory_format=self._format)

    def facts(self) -> dict[str, Any]:
        """Parameters, batches drawn, operations of one and the device's memory."""
        found = {"parameters": devices.parameters(self.network), "done": self._done}
        found |= devices.facts(self.device)
        if self._compiled:
            return found
        network = denoiser(self.case["model"]).to("meta").bfloat16().eval()
        images = torch.empty(self._shape, dtype=torch.bfloat16, device="meta")
        time = torch.empty(len(images), dtype=torch.long, device="meta")
        with torch.no_grad():
            once = devices.operations(network, images, time, None)
        return {**found, "flops": once * len(self._tables[0]), "format": str(self._format)}

    @torch.no_grad()
    def run(self, batches: int) -> None:
        """Draws so many batches."""
        for _ in range(batches):
            images = torch.randn(self._shape, device=self.device)
            images = images.to(memory_format=self._format)
            for step in zip(*self._tables, strict=True):
                images = self._step(images, *step)
            images.cpu()
            self._done += 1

    def _step(self, images: Tensor, time: Tensor, *coefficients: Tensor) -> Tensor:
        signal, deviation, clean, noisy = coefficients
        noise = self.network(images.bfloat16(), time.expand(len(images)), None).float()
        expected = ((images - deviation * noise) / signal).clamp(-1.0, 1.0)
        return clean * expected + noisy * images

    @torch.no_grad()
    def _try(self, memory_format: torch.memory_format) -> None:
        self.network.to(memory_format=memory_format)
        images = torch.randn(self._shape, device=self.device).to(memory_format=memory_format)
        self._step(images, *(table[0] for table in self._tables))


def tables(model: dict[str, Any], steps: int, device: torch.device) -> list[Tensor]:
    """For each step of DDIM without noise: time, its signal and noise, coefficients of clean and noisy images."""
    alpha_bar = alpha_bars(model["schedule"], model["timesteps"])
    times = -(-model["timesteps"] * torch.arange(steps + 1) // steps)
    before, now = alpha_bar[times[:-1]], alpha_bar[times[1:]]
    direction = (1.0 - before).sqrt() / (1.0 - now).sqrt()
    clean = before.sqrt() - direction * now.sqrt()
    floats = [each.float() for each in (now.sqrt(), (1.0 - now).sqrt(), clean, direction)]
    return [each.flip(0).to(device) for each in (times[1:], *floats)]


def _channels_first(shape: list[int]) -> tuple[int, ...]:
    height, width, channels = shape
    return channels, height, width
