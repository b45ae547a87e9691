"""Convolutions of images with the channels last: the kernels of gm_keras, so that nothing but Keras is between the two.

Keras is imported with them, and takes no part in a step.
"""

from collections.abc import Callable
from typing import Any

import jax
from jax import Array

from gm_keras.backend import jax_kernels as kernels

add_bias = kernels.add_bias
#: What gm_keras tells XLA on a CPU.
OPTIONS = {"xla_cpu_experimental_ynn_fusion_type": "LIBRARY_FUSION_TYPE_DOT"}


def compiled(function: Callable, **options: Any) -> Callable:
    """`jax.jit` with the compiler's options of gm_keras."""
    return jax.jit(function, compiler_options=OPTIONS, **options)


def convolve(inputs: Array, kernel: Array, strides: int = 1, padding: str = "same") -> Array:
    """A convolution.

    Args:
        inputs: `(batch, height, width, channels)`.
        kernel: `(height, width, channels, outputs)`.
        strides: Along both sides.
        padding: "same" or "valid".

    Returns:
        `(batch, height / strides, width / strides, outputs)`.
    """
    pairs = [(0, 0), (0, 0)]
    if padding == "same":
        pairs = [
            _same(size, extent, strides)
            for size, extent in zip(inputs.shape[1:3], kernel.shape[:2], strict=True)
        ]
    window = kernels.Window((strides, strides), tuple(pairs), (1, 1))
    return kernels.convolve(inputs, kernel, window)


def convolve_transposed(inputs: Array, kernel: Array, strides: int) -> Array:
    """A transposed convolution, "same", which multiplies the sides by the strides.

    Args:
        inputs: `(batch, height, width, channels)`.
        kernel: `(height, width, outputs, channels)`, as Keras' `Conv2DTranspose` keeps it.
        strides: Along both sides.

    Returns:
        `(batch, height * strides, width * strides, outputs)`.
    """
    batch, *size, _ = inputs.shape
    size = [strides * side for side in size]
    pairs = [
        _same(side, extent, strides) for side, extent in zip(size, kernel.shape[:2], strict=True)
    ]
    window = kernels.Window((strides, strides), tuple(pairs), (1, 1))
    shape = (batch, *size, kernel.shape[2])
    return kernels.input_gradient(inputs, kernel, window, shape)


def _same(size: int, extent: int, strides: int) -> tuple[int, int]:
    total = max((-(-size // strides) - 1) * strides + extent - size, 0)
    return total // 2, total - total // 2
