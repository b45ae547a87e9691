"""Variational autoencoder (Kingma & Welling 2014, arXiv 1312.6114) in JAX.

Differences from our model: none; convolutional, with a Bernoulli likelihood.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, random

from benchmarks.pure_jax import optimizers, training
from benchmarks.pure_jax.convolutions import add_bias, convolve_transposed
from benchmarks.pure_jax.layers import Parameters, affine, convolution, dense, one_hot


def halvings(image_shape: Sequence[int], most: int) -> int:
    """How often both sides can be halved without a rest while longer than 2, `most` at the most."""
    count, sides = 0, list(image_shape[:2])
    while count < most and all(side % 2 == 0 and side > 2 for side in sides):
        count, sides = count + 1, [side // 2 for side in sides]
    return count


class Training(training.Training):
    """One update a step: the evidence lower bound with one draw of the latents."""

    def build(self, generator: np.random.Generator, **model: Any) -> training.State:
        if model["network"] != "convolutional" or model["likelihood"] != "bernoulli":
            raise ValueError("only convolutional networks with a Bernoulli likelihood are written")
        self.image_shape, self.filters = tuple(model["image_shape"]), list(model["filters"])
        self.num_classes, self.binarize = model["num_classes"], model["binarize"]
        self.stages = halvings(self.image_shape, len(self.filters))
        self.optimizer = optimizers.adam(self.case["optimizers"]["main"])
        units, latents, classes = model["units"][0], model["latent_dim"], self.num_classes or 0
        height, width, channels = self.image_shape
        self.inner_shape = (height >> self.stages, width >> self.stages, self.filters[-1])
        inner, below = int(np.prod(self.inner_shape)), [channels, *self.filters[:-1]]
        encoder = {
            "convolutions": [
                affine(generator, 3, 3, inputs, outputs)
                for inputs, outputs in zip(below, self.filters, strict=True)
            ],
            "dense": affine(generator, inner + classes, units),
            "outputs": affine(generator, units, 2 * latents),
        }
        above = [self.filters[max(index - 1, 0)] for index in range(len(self.filters))]
        decoder = {
            "dense": affine(generator, latents + classes, units),
            "inner": affine(generator, units, inner),
            "convolutions": [
                affine(generator, 3, 3, outputs, inputs, outputs=outputs)
                for outputs, inputs in reversed(list(zip(above, self.filters, strict=True)))
            ],
            "outputs": affine(generator, 3, 3, above[0], channels),
        }
        parameters = {"encoder": encoder, "decoder": decoder}
        return {"parameters": parameters, "optimizer": self.optimizer.initial(parameters)}

    def step(self, state: training.State, batch: training.Batch) -> tuple[training.State, Array]:
        key, *keys = random.split(state["key"], 3)
        loss, gradients = jax.value_and_grad(self._loss)(state["parameters"], batch, keys)
        parameters, optimizer = self.optimizer.update(
            gradients, state["optimizer"], state["parameters"]
        )
        return {"parameters": parameters, "optimizer": optimizer, "key": key}, loss

    def _loss(self, parameters: Parameters, batch: training.Batch, keys: list[Array]) -> Array:
        label = one_hot(batch.get("label"), self.num_classes)
        bits = 0.5 * (batch["image"] + 1.0)
        if self.binarize:
            bits = (random.uniform(keys[0], bits.shape) < bits).astype("float32")
        moments = self._encode(parameters["encoder"], 2.0 * bits - 1.0, label)
        mean, log_variance = jnp.split(moments, 2, axis=-1)
        noise = random.normal(keys[1], mean.shape)
        latents = mean + jnp.exp(0.5 * log_variance) * noise
        logits = self._decode(parameters["decoder"], latents, label)
        divergence = 0.5 * (jnp.square(mean) + jnp.exp(log_variance) - 1.0 - log_variance)
        log_likelihood = bits * logits - jax.nn.softplus(logits)
        return (jnp.sum(divergence) - jnp.sum(log_likelihood)) / len(bits)

    def _encode(self, parameters: Parameters, hidden: Array, label: list[Array]) -> Array:
        for index, layer in enumerate(parameters["convolutions"]):
            hidden = jax.nn.relu(convolution(layer, hidden, 2 if index < self.stages else 1))
        hidden = jnp.concatenate([hidden.reshape(len(hidden), -1), *label], axis=-1)
        return dense(parameters["outputs"], jax.nn.relu(dense(parameters["dense"], hidden)))

    def _decode(self, parameters: Parameters, latents: Array, label: list[Array]) -> Array:
        hidden = jnp.concatenate([latents, *label], axis=-1)
        for name in ("dense", "inner"):
            hidden = jax.nn.relu(dense(parameters[name], hidden))
        hidden = hidden.reshape(-1, *self.inner_shape)
        stages = reversed(range(len(self.filters)))
        for index, layer in zip(stages, parameters["convolutions"], strict=True):
            strides = 2 if index < self.stages else 1
            hidden = add_bias(convolve_transposed(hidden, layer["kernel"], strides), layer["bias"])
            hidden = jax.nn.relu(hidden)
        return convolution(parameters["outputs"], hidden)
