"""Denoising diffusion (Ho et al. 2020, arXiv 2006.11239) in JAX.

Differences from our model: none; images only, without dropout.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, random

from benchmarks.pure_jax import optimizers, training
from benchmarks.pure_jax.unet import UNet


class Training(training.Training):
    """One update a step: the U-Net learns the noise at random times, with labels hidden at random."""

    def build(self, generator: np.random.Generator, **model: Any) -> training.State:
        if model["network"] != "unet" or model["dropout"]:
            raise ValueError("only the U-Net is written, without dropout")
        self.timesteps = model["timesteps"]
        self.num_classes, self.label_dropout = model["num_classes"], model["label_dropout"]
        names = ("image_shape", "timesteps", "filters", "multipliers", "blocks", "attention")
        self.denoiser = UNet(*(model[name] for name in names))
        self.optimizer = optimizers.adam(self.case["optimizers"]["main"])
        alpha_bar = alpha_bars(model["schedule"], self.timesteps)
        self.signal = np.sqrt(alpha_bar).astype("float32")
        self.noise = np.sqrt(1.0 - alpha_bar).astype("float32")
        parameters = self.denoiser.initial(generator, self.num_classes)
        return {"parameters": parameters, "optimizer": self.optimizer.initial(parameters)}

    def step(self, state: training.State, batch: training.Batch) -> tuple[training.State, Array]:
        key, *keys = random.split(state["key"], 4)
        images, label = batch["image"], batch.get("label")
        n = len(images)
        time = random.randint(keys[0], (n,), 1, self.timesteps + 1)
        noise = random.normal(keys[1], images.shape)
        if self.num_classes:
            hidden = random.uniform(keys[2], (n,)) < self.label_dropout
            label = jnp.where(hidden, self.num_classes, label)
        signal_scale, noise_scale = (
            jnp.asarray(table)[time][:, None, None, None] for table in (self.signal, self.noise)
        )
        noisy = signal_scale * images + noise_scale * noise

        def loss_of(parameters):
            predicted = self.denoiser(parameters, noisy, time, label)
            return jnp.mean(jnp.square(noise - predicted))

        loss, gradients = jax.value_and_grad(loss_of)(state["parameters"])
        parameters, optimizer = self.optimizer.update(
            gradients, state["optimizer"], state["parameters"]
        )
        return {"parameters": parameters, "optimizer": optimizer, "key": key}, loss


def alpha_bars(schedule: str, timesteps: int) -> np.ndarray:
    """The share of the data in the variance at each time from 0, float64 `(timesteps + 1,)`."""
    if schedule == "linear":
        beta = np.linspace(1e-4, 0.02, timesteps) * (1000.0 / timesteps)
    elif schedule == "cosine":
        place = np.arange(timesteps + 1) / timesteps
        squared = np.cos((place + 0.008) / 1.008 * (np.pi / 2.0)) ** 2
        beta = 1.0 - squared[1:] / squared[:-1]
    else:
        raise ValueError(f"the schedule {schedule} is not written")
    return np.concatenate([[1.0], np.cumprod(1.0 - np.minimum(beta, 0.999))])
