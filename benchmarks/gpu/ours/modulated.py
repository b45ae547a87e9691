"""A block of StyleGAN2's generator (Karras et al. 2020, arXiv 1912.04958), forward and backward.

The library has no such layer: this is one as it would be written with `gm_keras.ops`. Styles scale the features before
a convolution and the demodulation those after it, as in the authors' training code; without the outputs in RGB.
"""

import math
from typing import Any

import jax
import keras
import numpy as np
from keras import ops

from benchmarks.gpu.ours import device
from gm_keras import backend
from gm_keras.ops.convolution import convolve, convolve_transposed


def blur(features: Any, axis: int) -> Any:
    """Smooths `(batch, height, width, channels)` along an axis by [1, 3, 3, 1] / 4, one shorter."""
    padding = [(0, 0)] * 4
    padding[axis] = (1, 1)
    padded = ops.pad(features, padding)
    size = features.shape[axis] - 1
    parts = [padded[(slice(None),) * axis + (slice(start, start + size),)] for start in range(4)]
    return 0.25 * (parts[0] + parts[3]) + 0.75 * (parts[1] + parts[2])


class ModulatedConvolution(keras.layers.Layer):
    """A 3 x 3 convolution scaled by styles, with noise, bias and leaky ReLU.

    Args:
        filters: Number of output features.
        up: Doubles height and width.
    """

    def __init__(self, filters, up=False, **options):
        super().__init__(**options)
        self.filters, self.up = filters, up
        self.seed_generator = keras.random.SeedGenerator(0)

    def build(self, shapes):
        (*_, channels), (_, latent_dim) = shapes
        self.affine = keras.layers.Dense(
            channels, bias_initializer="ones", dtype=self.dtype_policy, name="affine"
        )
        self.affine.build((None, latent_dim))
        # The transposed convolution takes its kernel the other way round.
        shape = (3, 3, self.filters, channels) if self.up else (3, 3, channels, self.filters)
        normal = keras.initializers.RandomNormal(stddev=1.0)
        self.kernel = self.add_weight(shape=shape, initializer=normal, name="kernel")
        self.strength = self.add_weight(shape=(), initializer="zeros", name="strength")
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
        self.gain = 1.0 / math.sqrt(9 * channels)
        self.built = True

    def call(self, inputs):
        """Maps `[(batch, height, width, channels), (batch, latent_dim)]` to features."""
        features, latents = inputs
        styles = self.affine(latents)
        kernel = self.kernel * self.gain
        features = features * styles[:, None, None]
        if self.up:
            features = convolve_transposed(features, kernel, 2, "valid")
            features = blur(blur(features, 1), 2)
        else:
            features = convolve(features, kernel)
        squares = ops.sum(ops.square(ops.cast(kernel, "float32")), axis=(0, 1))
        squares = ops.transpose(squares) if self.up else squares
        norms = ops.matmul(ops.square(ops.cast(styles, "float32")), squares)
        demodulation = ops.cast(ops.rsqrt(norms + 1e-8), features.dtype)
        noise = keras.random.normal(
            (*features.shape[:3], 1), dtype=features.dtype, seed=self.seed_generator
        )
        features = features * demodulation[:, None, None] + noise * self.strength + self.bias
        return ops.leaky_relu(features, 0.2) * math.sqrt(2.0)


class Block:
    """One unit is the gradients of a loss for features, latents and all parameters.

    Args:
        case: `size`, `inputs`, `outputs`, `latent_dim` and `batch_size`.
    """

    def __init__(self, case: dict[str, Any]):
        backend.set_seed(0)
        keras.config.set_dtype_policy("mixed_bfloat16")
        size, batch = case["size"], case["batch_size"]
        features = keras.Input((size, size, case["inputs"]), batch, dtype="bfloat16")
        latents = keras.Input((case["latent_dim"],), batch, dtype="bfloat16")
        hidden = ModulatedConvolution(case["outputs"], up=True)([features, latents])
        hidden = ModulatedConvolution(case["outputs"])([hidden, latents])
        self.model = keras.Model([features, latents], hidden)
        random = np.random.default_rng(0)
        self._inputs = [
            ops.cast(random.normal(size=each.shape).astype("float32"), "bfloat16")
            for each in (features, latents)
        ]
        self._trained = [variable.value for variable in self.model.trainable_variables]
        self._state = [variable.value for variable in self.model.non_trainable_variables]
        self._step = jax.jit(jax.grad(self.loss, argnums=(0, 2), has_aux=True))
        self._done = 0

    def loss(self, trained: list, state: list, inputs: list) -> tuple[Any, list]:
        """The mean square of the outputs, and the new state."""
        outputs, state = self.model.stateless_call(trained, state, inputs)
        return ops.mean(ops.square(ops.cast(outputs, "float32"))), state

    def facts(self) -> dict[str, Any]:
        """Parameters, units done, and the device's memory."""
        return {
            "parameters": device.parameters(self.model),
            "done": self._done,
            **device.facts(),
        }

    def run(self, units: int) -> None:
        """So many times forward and backward."""
        gradients = None
        for _ in range(units):
            gradients, self._state = self._step(self._trained, self._state, self._inputs)
            self._done += 1
        jax.block_until_ready(gradients)
