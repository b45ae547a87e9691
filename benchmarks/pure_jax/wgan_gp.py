"""Wasserstein GAN with gradient penalty (Gulrajani et al. 2017, arXiv 1704.00028) in JAX.

Differences from our model: none; the networks for images only.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax, random

from benchmarks.pure_jax import optimizers, training
from benchmarks.pure_jax.convolutions import convolve, convolve_transposed
from benchmarks.pure_jax.layers import (
    Parameters,
    affine,
    dense,
    normal,
    scale_and_shift,
)

KERNEL = 4
DRAW = normal(0.02)
MOMENTUM = 0.9


class Training(training.Training):
    """Several updates of the critic a step, each on its own part of the batch, then one of the generator."""

    def build(self, generator: np.random.Generator, **model: Any) -> training.State:
        if len(model["image_shape"]) != 3:
            raise ValueError("only the networks for images are written")
        self.image_shape, self.latent_dim = tuple(model["image_shape"]), model["latent_dim"]
        self.n_critic, self.penalty_weight = model["n_critic"], model["penalty_weight"]
        self.layer_norm = model["critic_normalization"] == "layer"
        stages = stages_for(self.image_shape, model["stages"])
        height, width, channels = self.image_shape
        widths = [model["filters"] << stage for stage in range(stages)]
        self.inner_shape = (height >> stages, width >> stages, widths[-1])
        self.optimizers = {
            name: optimizers.adam(self.case["optimizers"][name]) for name in ("critic", "generator")
        }
        inner = int(np.prod(self.inner_shape))
        generating: Parameters = {"kernel": DRAW(generator, (self.latent_dim, inner)), "stages": []}
        for inputs, outputs in reversed(list(zip(widths, [channels, *widths[:-1]], strict=True))):
            stage = {
                "norm": scale_and_shift(inputs),
                "kernel": DRAW(generator, (KERNEL, KERNEL, outputs, inputs)),
            }
            generating["stages"].append(stage)
        generating["stages"][-1]["bias"] = np.zeros(channels, "float32")
        critic: Parameters = {"stages": []}
        for index, (inputs, outputs) in enumerate(
            zip([channels, *widths[:-1]], widths, strict=True)
        ):
            stage = affine(generator, KERNEL, KERNEL, inputs, outputs, draw=DRAW)
            if index and self.layer_norm:
                stage = {"kernel": stage["kernel"], "norm": scale_and_shift(outputs)}
            critic["stages"].append(stage)
        critic["outputs"] = affine(generator, inner, 1, draw=DRAW)
        parameters = {"generator": generating, "critic": critic}
        return {
            "parameters": parameters,
            "optimizer": {
                name: optimizer.initial(parameters[name])
                for name, optimizer in self.optimizers.items()
            },
            "statistics": [
                {"mean": np.zeros(width, "float32"), "variance": np.ones(width, "float32")}
                for width in reversed(widths)
            ],
        }

    def step(self, state: training.State, batch: training.Batch) -> tuple[training.State, Array]:
        key, *keys = random.split(state["key"], 2 * self.n_critic + 2)
        parameters, states = dict(state["parameters"]), dict(state["optimizer"])

        def update(name: str, gradients: Parameters) -> None:
            parameters[name], states[name] = self.optimizers[name].update(
                gradients, states[name], parameters[name]
            )

        parts = [batch["image"]] * self.n_critic
        if self.case["batches"] > 1:
            parts = jnp.split(batch["image"], self.n_critic)
        for index, real in enumerate(parts):
            latents = random.normal(keys[2 * index], (len(real), self.latent_dim))
            fake, _ = self._generate(parameters["generator"], latents)
            fractions = random.uniform(keys[2 * index + 1], (len(real),))[:, None, None, None]
            between = fake + fractions * (real - fake)
            update("critic", jax.grad(self._critic_loss)(parameters["critic"], real, fake, between))
        latents = random.normal(keys[-1], (len(real), self.latent_dim))

        def loss_of(generating: Parameters) -> tuple[Array, list]:
            fake, moments = self._generate(generating, latents)
            return -jnp.mean(self._scores(parameters["critic"], fake)), moments

        (loss, moments), gradients = jax.value_and_grad(loss_of, has_aux=True)(
            parameters["generator"]
        )
        update("generator", gradients)
        statistics = jax.tree.map(
            lambda past, now: MOMENTUM * past + (1.0 - MOMENTUM) * now, state["statistics"], moments
        )
        new = {"parameters": parameters, "optimizer": states, "statistics": statistics, "key": key}
        return new, loss

    def _critic_loss(self, critic: Parameters, real: Array, fake: Array, between: Array) -> Array:
        distance = jnp.mean(self._scores(critic, real)) - jnp.mean(self._scores(critic, fake))
        slopes = jax.grad(lambda x: jnp.sum(self._scores(critic, x)))(between)
        norms = jnp.sqrt(jnp.sum(jnp.square(slopes), axis=(1, 2, 3)) + 1e-12)
        return self.penalty_weight * jnp.mean(jnp.square(norms - 1.0)) - distance

    def _generate(self, generating: Parameters, latents: Array) -> tuple[Array, list[Parameters]]:
        hidden = (latents @ generating["kernel"]).reshape(-1, *self.inner_shape)
        moments = []
        for stage in generating["stages"]:
            mean = jnp.mean(hidden, axis=(0, 1, 2))
            variance = jnp.mean(jnp.square(hidden), axis=(0, 1, 2)) - jnp.square(mean)
            moments.append({"mean": mean, "variance": variance})
            scale = lax.rsqrt(variance + 1e-5) * stage["norm"]["gamma"]
            hidden = jax.nn.relu((hidden - mean) * scale + stage["norm"]["beta"])
            hidden = convolve_transposed(hidden, stage["kernel"], 2) + stage.get("bias", 0.0)
        return jnp.tanh(hidden), moments

    def _scores(self, critic: Parameters, hidden: Array) -> Array:
        for stage in critic["stages"]:
            hidden = convolve(hidden, stage["kernel"], 2) + stage.get("bias", 0.0)
            if "norm" in stage:
                hidden = example_normalization(stage["norm"], hidden)
            hidden = jax.nn.leaky_relu(hidden, 0.2)
        return dense(critic["outputs"], hidden.reshape(len(hidden), -1))


def example_normalization(parameters: Parameters, inputs: Array) -> Array:
    """Normalizes each example over height, width and channels."""
    # In two passes: its second derivative takes less time than that of `layers.group_normalization`.
    centred = inputs - jnp.mean(inputs, axis=(1, 2, 3), keepdims=True)
    variance = jnp.mean(jnp.square(centred), axis=(1, 2, 3), keepdims=True)
    normalized = centred * lax.rsqrt(variance + 1e-5)
    return normalized * parameters["gamma"] + parameters["beta"]


def stages_for(image_shape: tuple[int, ...], stages: int | None) -> int:
    """How often the networks halve an image; by default until a side is odd or less than 8."""
    if stages is None:
        stages = 1
        while all(
            side >> stages >= 8 and side % 2 ** (stages + 1) == 0 for side in image_shape[:2]
        ):
            stages += 1
    return stages
