"""RealNVP (Dinh et al. 2017, arXiv 1605.08803) in JAX.

Differences from our model: none; images of grey levels only, without dropout.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax, random

from benchmarks.pure_jax import optimizers, training
from benchmarks.pure_jax.convolutions import convolve
from benchmarks.pure_jax.layers import Parameters, glorot

EPSILON = 1e-5
LOG_TWO_PI = math.log(2.0 * math.pi)


class Training(training.Training):
    """One update a step: the exact likelihood of images with uniform noise of one grey level."""

    def build(self, generator: np.random.Generator, **model: Any) -> training.State:
        if len(model["image_shape"]) != 3 or not model["levels"] or model["dropout"]:
            raise ValueError("only images of grey levels are written, without dropout")
        self.image_shape, self.levels = tuple(model["image_shape"]), model["levels"]
        self.momentum = model["momentum"] if model["batch_norm"] else None
        self.slope = (1.0 - 2.0 * model["alpha"]) * (self.levels - 1) / (2.0 * self.levels)
        self.optimizer = optimizers.adam(self.case["optimizers"]["main"])
        self.parts: list[tuple[str, bool]] = []
        parameters, channels = [], []

        def add(kind: str, count: int, inputs: int, filters: int) -> None:
            for index in range(count):
                self.parts.append((kind, index % 2 == 1))
                parameters.append(coupling(generator, inputs, filters, model["blocks"]))
                channels.append(inputs if kind == "checkerboard" else 2 * inputs)

        height, width, inputs = self.image_shape
        couplings, filters = model["couplings"] or 3, model["filters"]
        for _ in range(model["num_scales"] - 1):
            if any(side % 2 or side <= 2 for side in (height, width)):
                break
            add("checkerboard", couplings, inputs, filters)
            self.parts.append(("squeeze", False))
            inputs *= 2
            add("channel", couplings, inputs, filters)
            self.parts.append(("finish", False))
            height, width, filters = height // 2, width // 2, 2 * filters
        add("checkerboard", couplings + 1, inputs, filters)
        statistics = [
            {"mean": np.zeros(width, "float32"), "variance": np.ones(width, "float32")}
            for width in channels
        ]
        return {
            "parameters": parameters,
            "optimizer": self.optimizer.initial(parameters),
            "statistics": statistics,
        }

    def step(self, state: training.State, batch: training.Batch) -> tuple[training.State, Array]:
        key, noise_key = random.split(state["key"])
        width = 2.0 / (self.levels - 1)
        levels = jnp.clip(jnp.round((batch["image"] + 1.0) / width), 0.0, self.levels - 1.0)
        noise = random.uniform(noise_key, levels.shape, minval=-0.5, maxval=0.5)
        images = (levels + noise) * width - 1.0
        (loss, statistics), gradients = jax.value_and_grad(self._loss, has_aux=True)(
            state["parameters"], state["statistics"], images
        )
        parameters, optimizer = self.optimizer.update(
            gradients, state["optimizer"], state["parameters"]
        )
        new = {"parameters": parameters, "optimizer": optimizer, "statistics": statistics}
        return {**new, "key": key}, loss

    def _loss(
        self, parameters: list[Parameters], statistics: list[Parameters], images: Array
    ) -> tuple[Array, list[Parameters]]:
        size = math.prod(self.image_shape)
        centred = jnp.clip(self.slope * images, -0.5 + 1e-6, 0.5 - 1e-6)
        log_p, log_q = jnp.log(0.5 + centred), jnp.log(0.5 - centred)
        hidden = log_p - log_q
        # The sum over the batch; that of constants comes last.
        log_det = -jnp.sum(log_p) - jnp.sum(log_q)
        finished, new, index = [], [], 0
        for kind, flip in self.parts:
            if kind == "squeeze":
                hidden = squeezed(hidden)
            elif kind == "finish":
                done, hidden = jnp.split(hidden, 2, axis=-1)
                finished.append(done)
            else:
                couple = checkerboard if kind == "checkerboard" else channel_halves
                hidden, change = couple(parameters[index], hidden, flip)
                log_det = log_det + change
                if self.momentum is not None:
                    hidden, change, now = self._normalize(statistics[index], hidden)
                    log_det = log_det + change
                    new.append(now)
                index += 1
        finished.append(hidden)
        squares = sum(jnp.sum(jnp.square(part)) for part in finished)
        constant = size * (
            math.log(self.slope) + math.log(2.0 / (self.levels - 1)) - 0.5 * LOG_TWO_PI
        )
        return (0.5 * squares - log_det) / len(images) - constant, new or statistics

    def _normalize(self, past: Parameters, hidden: Array) -> tuple[Array, Array, Parameters]:
        """Normalizes by the running average, the batch being its newest part."""
        mean = jnp.mean(hidden, axis=(0, 1, 2))
        variance = jnp.mean(jnp.square(hidden), axis=(0, 1, 2)) - jnp.square(mean)
        now = jax.tree.map(
            lambda old, batch: self.momentum * old + (1.0 - self.momentum) * batch,
            past,
            {"mean": mean, "variance": variance},
        )
        log_deviation = 0.5 * jnp.log(now["variance"] + EPSILON)
        positions = math.prod(hidden.shape[:-1])
        outputs = (hidden - now["mean"]) * jnp.exp(-log_deviation)
        return outputs, -positions * jnp.sum(log_deviation), now


def coupling(generator: np.random.Generator, inputs: int, filters: int, blocks: int) -> Parameters:
    """The weights of a coupling: a residual network from `inputs` channels to twice as many, and its rescaling."""

    def layer(size: int, channels: int, outputs: int, gain: float) -> Parameters:
        return {
            "direction": glorot(generator, (size, size, channels, outputs)),
            "gain": np.full(outputs, gain, "float32"),
            "bias": np.zeros(outputs, "float32"),
        }

    layers = [layer(3, inputs, filters, 1.0)]
    for _ in range(blocks):
        layers += [layer(3, filters, filters, 2.0**0.5), layer(1, filters, filters, 1.0)]
    layers.append(layer(1, filters, 2 * inputs, 0.0))
    return {"rescale": np.ones(inputs, "float32"), "layers": layers}


def scale_and_shift(parameters: Parameters, kept: Array) -> tuple[Array, Array]:
    """The log-scale and the shift of what a coupling changes, given what it keeps."""
    first, *blocks, last = parameters["layers"]
    hidden = weight_normalized(first, kept)
    for wide, narrow in zip(blocks[::2], blocks[1::2], strict=True):
        change = jax.nn.relu(weight_normalized(wide, jax.nn.relu(hidden)))
        hidden = hidden + weight_normalized(narrow, change)
    outputs = weight_normalized(last, jax.nn.relu(hidden))
    raw_scale, shift = jnp.split(outputs, 2, axis=-1)
    return parameters["rescale"] * jnp.tanh(raw_scale), shift


def weight_normalized(layer: Parameters, inputs: Array) -> Array:
    """A convolution whose kernel is a direction times a length for each output channel."""
    direction = layer["direction"]
    squared_length = jnp.sum(jnp.square(direction), axis=(0, 1, 2))
    kernel = direction * (layer["gain"] * lax.rsqrt(squared_length + 1e-12))
    if len(kernel) == 1:
        return inputs @ kernel[0, 0] + layer["bias"]
    return convolve(inputs, kernel) + layer["bias"]


def checkerboard(parameters: Parameters, inputs: Array, flip: bool) -> tuple[Array, Array]:
    """Changes the pixels of one colour of a checkerboard; returns the outputs and the sum of the log-scales."""
    positions = np.indices(inputs.shape[1:3]).sum(axis=0) % 2
    kept = (positions == int(flip)).astype("float32")[None, ..., None]
    log_scale, shift = scale_and_shift(parameters, inputs * kept)
    log_scale, shift = log_scale * (1.0 - kept), shift * (1.0 - kept)
    return inputs * jnp.exp(log_scale) + shift, jnp.sum(log_scale)


def channel_halves(parameters: Parameters, inputs: Array, flip: bool) -> tuple[Array, Array]:
    """Changes one half of the channels; returns the outputs and the sum of the log-scales."""
    halves = jnp.split(inputs, 2, axis=-1)
    log_scale, shift = scale_and_shift(parameters, halves[int(flip)])
    halves[1 - int(flip)] = halves[1 - int(flip)] * jnp.exp(log_scale) + shift
    return jnp.concatenate(halves, axis=-1), jnp.sum(log_scale)


def squeezed(inputs: Array) -> Array:
    """Each 2 x 2 square as four times the channels, one diagonal before the other."""
    corners = ((0, 0), (1, 1), (0, 1), (1, 0))
    return jnp.concatenate([inputs[:, row::2, column::2] for row, column in corners], axis=-1)
