"""diffusers' `DDIMScheduler` around the hand-written U-Net.

Its times go from 0 to T - 1, those of the network from 1 to T. Differences from ours: none.
"""

from typing import Any

from diffusers import DDIMScheduler
from torch import Tensor

from benchmarks.peers import sampling
from benchmarks.peers.ddpm import alpha_bars


class DDPM(sampling.DDPM):
    """The same network and the same steps, driven by the library."""

    def prepare(self, schedule: str, steps: int, eta: float) -> None:
        alpha_bar = alpha_bars(schedule, self.timesteps)
        self.scheduler = DDIMScheduler(
            self.timesteps,
            trained_betas=(1.0 - alpha_bar[1:] / alpha_bar[:-1]).numpy(),
            timestep_spacing="trailing",
        )
        self.scheduler.set_timesteps(steps)
        self.options: dict[str, Any] = {"eta": eta, "use_clipped_model_output": True}

    def denoise(self, images: Tensor) -> Tensor:
        for time in self.scheduler.timesteps:
            error = self.denoiser(images, time.to(self.device)[None] + 1, self.label)
            images = self.scheduler.step(error, time, images, **self.options).prev_sample
        return images
