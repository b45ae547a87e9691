"""The loop around a hand-written PyTorch sampler, and the samplers of DCGAN and DDPM.

Differences from ours: batch normalization of the generator is folded into the convolutions, as PyTorch offers it;
the condition of the U-Net, the same for all images, is computed once a step instead of once an image.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from benchmarks.peers import dcgan
from benchmarks.peers.ddpm import alpha_bars
from benchmarks.peers.unet import UNet


class Sampling:
    """What a PyTorch user would write to draw samples of one system; a subclass has the network and the sampler.

    Args:
        case: From `benchmarks.cases`.
        batch: Samples in one call.
        device: "cpu" or "cuda".
        **options: Of the sampler.
    """

    def __init__(self, case: dict[str, Any], batch: int, device: str = "cpu", **options: Any):
        torch.manual_seed(0)
        self.batch, self.device = batch, torch.device(device)
        self.drawn, self.example, self.parameters = 0, "", 0
        with torch.inference_mode():
            self.build(**case["model"], **options)

    def build(self, **model: Any) -> None:
        """Makes the network, and calls `count` on it."""
        raise NotImplementedError

    def sample(self, n: int) -> Tensor:
        """Draws `n` samples: images `(n, channels, height, width)`, or tokens `(n, length)`."""
        raise NotImplementedError

    def count(self, network: nn.Module) -> nn.Module:
        """Notes the trained parameters of a network, and prepares it for inference."""
        self.parameters = sum(p.numel() for p in network.parameters())
        return network.to(self.device).eval().requires_grad_(False)

    def facts(self) -> dict[str, Any]:
        """Trained parameters of the network, the calls done, and the shape of one sample."""
        return {
            "parameters": self.parameters,
            "done": self.drawn / self.batch,
            "example": self.example,
        }

    @torch.inference_mode()
    def run(self, calls: int) -> None:
        """Draws so many batches; they come as arrays on the host, channels last as ours."""
        for _ in range(calls):
            samples = self.sample(self.batch)
            if samples.dim() == 4:
                samples = samples.permute(0, 2, 3, 1)
            array = samples.cpu().numpy()
            self.drawn += len(array)
            self.example = "x".join(map(str, array.shape[1:]))


class DCGAN(Sampling):
    """Images of random latents, normalized by the moving averages."""

    def build(
        self,
        image_shape: Sequence[int],
        latent_dim: int,
        filters: int,
        stages: int | None,
        latents: str,
        **_: Any,
    ) -> None:
        if latents != "uniform":
            raise ValueError("only uniform latents are written")
        self.latent_dim = latent_dim
        self.generator = folded(
            self.count(dcgan.generator(latent_dim, image_shape, filters, stages))
        )

    def sample(self, n: int) -> Tensor:
        latents = torch.empty(n, self.latent_dim, device=self.device).uniform_(-1.0, 1.0)
        return self.generator(latents)


def folded(generator: nn.Sequential) -> nn.Sequential:
    """Joins each transposed convolution with the batch normalization after it."""
    layers: list[nn.Module] = []
    for layer in generator:
        if isinstance(layer, nn.BatchNorm2d) and isinstance(layers[-1], nn.ConvTranspose2d):
            layers[-1] = fuse_conv_bn_eval(layers[-1], layer, transpose=True)
        else:
            layers.append(layer)
    return nn.Sequential(*layers).to(memory_format=torch.channels_last)


class DDPM(Sampling):
    """DDIM (Song, Meng & Ermon 2021, arXiv 2010.02502) with clipped images, without a label."""

    def build(self, steps: int, eta: float, **model: Any) -> None:
        sizes = ("filters", "multipliers", "blocks", "attention", "dropout", "num_classes")
        self.timesteps = model["timesteps"]
        network = UNet(
            model["image_shape"],
            timesteps=self.timesteps,
            **{name: model[name] for name in sizes},
        )
        self.denoiser = self.count(network).to(memory_format=torch.channels_last)
        height, width, channels = model["image_shape"]
        self.shape = channels, height, width
        classes = model["num_classes"]
        self.label = torch.tensor([classes], device=self.device) if classes else None
        self.prepare(model["schedule"], steps, eta)

    def prepare(self, schedule: str, steps: int, eta: float) -> None:
        """Makes the times, and for each the coefficients of what a step adds up."""
        times = -(-self.timesteps * torch.arange(steps + 1) // steps)
        alpha_bar = alpha_bars(schedule, self.timesteps)[times]
        before, now = alpha_bar[:-1], alpha_bar[1:]
        noise = eta * ((1 - before) / (1 - now) * (1 - now / before)).sqrt()
        direction = ((1 - before - noise**2).clamp(min=0) / (1 - now)).sqrt()
        clean = before.sqrt() - direction * now.sqrt()
        columns = [1 / now.sqrt(), -((1 - now) / now).sqrt(), clean, direction, noise]
        self.times = times[1:, None].flip(0).to(self.device)
        # Python's numbers: nothing is read from the device in a step.
        self.coefficients = torch.stack(columns, dim=1).flip(0).tolist()

    def sample(self, n: int) -> Tensor:
        return self.denoise(torch.randn(n, *self.shape, device=self.device))

    def denoise(self, images: Tensor) -> Tensor:
        """Takes pure noise to samples."""
        for time, (scale, predicted, clean, noisy, noise) in zip(
            self.times, self.coefficients, strict=True
        ):
            error = self.denoiser(images, time, self.label)
            expected = (images * scale).add_(error, alpha=predicted).clamp_(-1.0, 1.0)
            images = expected.mul_(clean).add_(images, alpha=noisy)
            if noise:
                images.add_(torch.randn_like(images), alpha=noise)
        return images
