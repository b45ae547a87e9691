"""What several networks are made of: initial weights, drawn on the host, and layers as functions of them.

Products, normalization and attention are the kernels of gm_keras, so that nothing but Keras is between the two.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import keras
import numpy as np
from jax import Array

from benchmarks.pure_jax.convolutions import add_bias, convolve
from gm_keras.ops.normalization import group_normalize, layer_normalize
from gm_keras.ops.projection import project

Parameters = dict[str, Any]
Draw = Callable[[np.random.Generator, Sequence[int]], np.ndarray]


def glorot(generator: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Glorot's uniform weights for a kernel `(..., inputs, outputs)`."""
    receptive = int(np.prod(shape[:-2]))
    limit = np.sqrt(6.0 / (receptive * (shape[-2] + shape[-1])))
    return generator.uniform(-limit, limit, shape).astype("float32")


def normal(stddev: float) -> Draw:
    """Normal weights of a standard deviation, as a function like `glorot`."""
    return lambda generator, shape: generator.normal(0.0, stddev, shape).astype("float32")


def zero(generator: np.random.Generator, shape: Sequence[int]) -> np.ndarray:
    """Weights of zero, as a function like `glorot`."""
    del generator
    return np.zeros(shape, "float32")


def affine(
    generator: np.random.Generator, *shape: int, draw: Draw = glorot, outputs: int | None = None
) -> Parameters:
    """A kernel and a bias of zero, of `outputs` values (by default the last of the shape)."""
    bias = np.zeros(shape[-1] if outputs is None else outputs, "float32")
    return {"kernel": draw(generator, shape), "bias": bias}


def scale_and_shift(width: int) -> Parameters:
    """What follows a normalization."""
    return {"gamma": np.ones(width, "float32"), "beta": np.zeros(width, "float32")}


def dense(parameters: Parameters, inputs: Array) -> Array:
    """Maps `(..., features)` to `(..., width)`."""
    return add_bias(project(inputs, parameters["kernel"]), parameters["bias"])


def convolution(parameters: Parameters, inputs: Array, strides: int = 1) -> Array:
    """A convolution of `(batch, height, width, channels)` that keeps the size, or divides it by the strides."""
    return add_bias(convolve(inputs, parameters["kernel"], strides), parameters["bias"])


def layer_normalization(parameters: Parameters, inputs: Array) -> Array:
    """Normalizes the last axis."""
    return layer_normalize(inputs, parameters["gamma"], parameters["beta"], 1e-5)


def group_normalization(
    parameters: Parameters,
    inputs: Array,
    groups: int,
    activation: Callable = keras.activations.silu,
) -> Array:
    """Normalizes `(batch, height, width, channels)` over all axes but the batch and the groups of channels, and activates."""
    flat = inputs.reshape(len(inputs), -1, inputs.shape[-1])
    outputs = group_normalize(
        flat, parameters["gamma"], parameters["beta"], groups, 1e-5, activation
    )
    return outputs.reshape(inputs.shape)


def one_hot(label: Array | None, num_classes: int | None) -> list[Array]:
    """The label as a list of one array `(batch, num_classes)`; an empty list without classes."""
    return [jax.nn.one_hot(label, num_classes)] if num_classes else []
