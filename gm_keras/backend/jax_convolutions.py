"""Convolutions whose derivatives stay convolutions, for JAX on a CPU.

A convolution is linear in its input and in its kernel. Its transposes with respect to the two, `input_gradient` (which
is the transposed convolution of the textbooks) and `kernel_gradient`, are linear in each of their arguments as well,
and the derivatives of each of the three are the other two. Left to itself, automatic differentiation turns the
derivative of a transposed convolution, and every second derivative, into convolutions that are dilated on both sides,
which XLA runs several times slower on a CPU (`benchmarks/NOTES.md` has the figures).

Reverse mode only, of any order: `jax.custom_vjp` has no forward mode.
"""

import functools
import string
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class Window(NamedTuple):
    """How a kernel moves over the input; one entry for each spatial dimension.

    Attributes:
        strides: Distances between its positions.
        padding: Pairs (before, after) of zeros around the input; negative ones cut.
        dilation: Distances between the inputs that one position sees.
        groups: Parts of the channels that do not see each other.
    """

    strides: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int = 1


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(inputs: jax.Array, kernel: jax.Array, window: Window) -> jax.Array:
    """(batch, *size, channels), (*kernel size, channels / groups, filters) -> (batch, *new size, filters)."""
    return _convolution(
        inputs,
        kernel,
        window.padding,
        window_strides=window.strides,
        rhs_dilation=window.dilation,
        feature_group_count=window.groups,
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def input_gradient(outputs: jax.Array, kernel: jax.Array, window: Window, shape: Any) -> jax.Array:
    """The transpose of `convolve` with respect to an input of the given shape."""
    space = tuple(range(len(window.strides)))
    extent, groups = kernel.shape[:-2], window.groups
    # (*extent, channels / groups, filters) -> (*extent, filters / groups, channels)
    grouped = kernel.reshape(*extent, kernel.shape[-2], groups, -1)
    last = len(space)
    turned = jnp.transpose(jnp.flip(grouped, space), (*space, last + 2, last + 1, last))
    turned = turned.reshape(*extent, -1, shape[-1])
    padding = []
    for axis in space:
        reach = (extent[axis] - 1) * window.dilation[axis] + 1
        spread = (outputs.shape[1 + axis] - 1) * window.strides[axis] + 1
        before = reach - 1 - window.padding[axis][0]
        padding.append((before, shape[1 + axis] - spread - before + reach - 1))
    return _convolution(
        outputs,
        turned,
        padding,
        lhs_dilation=window.strides,
        rhs_dilation=window.dilation,
        feature_group_count=groups,
    )


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def kernel_gradient(inputs: jax.Array, outputs: jax.Array, window: Window, shape: Any) -> jax.Array:
    """The transpose of `convolve` with respect to a kernel of the given shape."""
    space = tuple(range(1, inputs.ndim - 1))
    padding = []
    for axis, extent in enumerate(shape[:-2]):
        spread = (outputs.shape[1 + axis] - 1) * window.strides[axis] + 1
        before = window.padding[axis][0]
        reach = (extent - 1) * window.dilation[axis] + 1
        padding.append((before, reach + spread - 1 - inputs.shape[1 + axis] - before))
    last = inputs.ndim - 1
    # Channels take the place of the batch, which is summed over.
    kernel = _convolution(
        jnp.transpose(inputs, (last, *space, 0)),
        jnp.transpose(outputs, (*space, 0, last)),
        padding,
        window_strides=window.dilation,
        rhs_dilation=window.strides,
        batch_group_count=window.groups,
    )
    return jnp.transpose(kernel, (*space, 0, last))


def _convolution(
    inputs: jax.Array, kernel: jax.Array, padding: Sequence[tuple[int, int]], **options: Any
) -> jax.Array:
    """Channels last, and nothing else: within loops and branches XLA turns no other order into it.

    There it then computes what it was given one number after the other, 50 times slower
    (https://github.com/openxla/xla/blob/main/xla/service/cpu/conv_canonicalization.cc: the entry alone).
    """
    space = string.digits[: inputs.ndim - 2]
    options.setdefault("window_strides", (1,) * len(space))
    layout = (f"N{space}C", f"{space}IO", f"N{space}C")
    return lax.conv_general_dilated(
        inputs, kernel, padding=padding, dimension_numbers=layout, **options
    )


convolve.defvjp(
    lambda x, w, window: (convolve(x, w, window), (x, w)),
    lambda window, saved, y: (
        input_gradient(y, saved[1], window, saved[0].shape),
        kernel_gradient(saved[0], y, window, saved[1].shape),
    ),
)
input_gradient.defvjp(
    lambda y, w, window, shape: (input_gradient(y, w, window, shape), (y, w)),
    lambda window, shape, saved, x: (
        convolve(x, saved[1], window),
        kernel_gradient(x, saved[0], window, saved[1].shape),
    ),
)
kernel_gradient.defvjp(
    lambda x, y, window, shape: (kernel_gradient(x, y, window, shape), (x, y)),
    lambda window, shape, saved, w: (
        input_gradient(saved[1], w, window, saved[0].shape),
        convolve(saved[0], w, window),
    ),
)
