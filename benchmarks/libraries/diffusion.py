"""denoising-diffusion-pytorch around the hand-written U-Net.

Its times go from 0 to T - 1, those of the network from 1 to T. Differences from ours: labels reach the network beside
the library's interface, which has none.
"""

import sys
import types
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.peers import ddpm, sampling
from benchmarks.peers.ddpm import alpha_bars

try:
    import torchvision  # noqa: F401
except RuntimeError:
    # Built for another torch than the one beside it (a CPU's). The library wants it for folders of images alone.
    stub = types.ModuleType("torchvision")
    stub.transforms = stub.utils = types.ModuleType("torchvision.transforms")
    sys.modules["torchvision"] = stub

from denoising_diffusion_pytorch import GaussianDiffusion


class Denoiser(nn.Module):
    """The U-Net as the library calls it."""

    self_condition = False

    def __init__(self, network: nn.Module, channels: int):
        super().__init__()
        self.network, self.label = network, None
        self.channels = self.out_dim = channels

    def forward(self, images: Tensor, time: Tensor, condition: Tensor | None = None) -> Tensor:
        return self.network(images, time + 1, self.label)


def diffusion(network: nn.Module, model: dict[str, Any], **options: Any) -> GaussianDiffusion:
    """The library's process with our schedule."""
    height, width, channels = model["image_shape"]
    made = GaussianDiffusion(
        Denoiser(network, channels),
        image_size=(height, width),
        timesteps=model["timesteps"],
        objective="pred_noise",
        auto_normalize=False,
        **options,
    )
    alpha_bar = alpha_bars(model["schedule"], model["timesteps"])[1:].float()
    made.alphas_cumprod.copy_(alpha_bar)
    made.sqrt_alphas_cumprod.copy_(alpha_bar.sqrt())
    made.sqrt_one_minus_alphas_cumprod.copy_((1.0 - alpha_bar).sqrt())
    made.sqrt_recip_alphas_cumprod.copy_((1.0 / alpha_bar).sqrt())
    made.sqrt_recipm1_alphas_cumprod.copy_((1.0 / alpha_bar - 1.0).sqrt())
    return made


class Training(ddpm.Training):
    """The same network and updates; the library draws times and noise and computes the loss."""

    def build(self, **model: Any) -> None:
        super().build(**model)
        self.diffusion = diffusion(self.denoiser, model).to(self.device)

    def step(self, batch: dict[str, Tensor]) -> Tensor:
        images = batch["image"].contiguous(memory_format=torch.channels_last)
        if self.num_classes:
            hidden = torch.rand(len(images), device=images.device) < self.label_dropout
            self.diffusion.model.label = batch["label"].masked_fill(hidden, self.num_classes)
        loss = self.diffusion(images)
        self._update(loss)
        return loss.detach()


class DDPM(sampling.DDPM):
    """The same network and as many steps of DDIM."""

    def build(self, steps: int, eta: float, **model: Any) -> None:
        super().build(steps=steps, eta=eta, **model)
        options = {"sampling_timesteps": steps, "ddim_sampling_eta": eta}
        self.diffusion = diffusion(self.denoiser, model, **options).to(self.device)
        self.diffusion.model.label = self.label

    def denoise(self, images: Tensor) -> Tensor:
        return self.diffusion.ddim_sample(images.shape)
