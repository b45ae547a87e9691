"""Convolutions whose derivatives stay convolutions, and products with quick gradients, for JAX on a CPU.

A convolution is linear in its input and in its kernel. Its transposes with respect to the two, `input_gradient` (which
is the transposed convolution of the textbooks) and `kernel_gradient`, are linear in each of their arguments as well,
and the derivatives of each of the three are the other two. Left to itself, automatic differentiation turns the
derivative of a transposed convolution, and every second derivative, into convolutions that are dilated on both sides,
which XLA runs several times slower on a CPU (`benchmarks/NOTES.md` has the figures).

Reverse mode only, of any order: `jax.custom_vjp` has no forward mode.
"""

import functools
import itertools
import math
import string
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax

from gm_keras.backend import native

# Measured on a processor with 2 MiB of second cache for each core (benchmarks/NOTES.md).
_CACHED_BYTES, _FEWEST = 2**21, 8
# Channels, and numbers in all, from which on a convolution for each phase of the strides is quicker than one.
_WORTH_PHASES = 16, 2**19


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
    shapes = (inputs.shape, kernel.shape, _outputs_shape(inputs.shape, kernel.shape, window))
    own = native.convolution(native.FORWARD, inputs, kernel, shapes, window)
    if own is not None:
        return own
    return _convolution(
        inputs,
        kernel,
        window.padding,
        window_strides=window.strides,
        rhs_dilation=window.dilation,
        feature_group_count=window.groups,
    )


def _outputs_shape(inputs: Any, kernel: Any, window: Window) -> tuple[int, ...]:
    size = [
        (n + before + after - (k - 1) * dilation - 1) // stride + 1
        for n, (before, after), k, dilation, stride in zip(
            inputs[1:-1], window.padding, kernel, window.dilation, window.strides, strict=False
        )
    ]
    return (inputs[0], *size, kernel[-1])


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def input_gradient(outputs: jax.Array, kernel: jax.Array, window: Window, shape: Any) -> jax.Array:
    """The transpose of `convolve` with respect to an input of the given shape."""
    shapes = (shape, kernel.shape, outputs.shape)
    own = native.convolution(native.INPUT_GRADIENT, outputs, kernel, shapes, window)
    if own is not None:
        return own
    if _in_phases(kernel, window, shape):
        return _input_gradient_in_phases(outputs, kernel, window, shape)
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


def _in_phases(kernel: jax.Array, window: Window, shape: Any) -> bool:
    """Whether the strides are worth a convolution for each phase, and divide everything."""
    return (
        max(window.strides) > 1
        and window.groups == 1
        and max(window.dilation) == 1
        and all(
            size % stride == 0 for size, stride in zip(shape[1:-1], window.strides, strict=True)
        )
        and all(k >= stride for k, stride in zip(kernel.shape, window.strides, strict=False))
        and shape[-1] >= _WORTH_PHASES[0]
        and math.prod(shape) >= _WORTH_PHASES[1]
    )


def _input_gradient_in_phases(
    outputs: jax.Array, kernel: jax.Array, window: Window, shape: Any
) -> jax.Array:
    """The pixels that lie alike between two strides see the same part of the kernel: no products with zero."""
    space = range(len(window.strides))
    steps = [size // stride for size, stride in zip(shape[1:-1], window.strides, strict=True)]
    phases = []
    for phase in itertools.product(*map(range, window.strides)):
        part, padding = kernel, []
        for axis, place, stride in zip(space, phase, window.strides, strict=True):
            # The positions of the kernel that reach this phase, and which outputs they come from.
            place += window.padding[axis][0]
            first = place % stride
            part = lax.slice_in_dim(part, first, kernel.shape[axis], stride, axis)
            last = first + (part.shape[axis] - 1) * stride
            after = steps[axis] + (place - first) // stride - outputs.shape[1 + axis]
            padding.append(((last - place) // stride, after))
        turned = jnp.swapaxes(jnp.flip(part, tuple(space)), -1, -2)
        phases.append(_convolution(outputs, turned, padding))
    rank = len(steps)
    joined = jnp.stack(phases, axis=-2).reshape(shape[0], *steps, *window.strides, shape[-1])
    order = [axis for each in space for axis in (1 + each, 1 + rank + each)]
    return jnp.transpose(joined, (0, *order, 1 + 2 * rank)).reshape(shape)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def kernel_gradient(inputs: jax.Array, outputs: jax.Array, window: Window, shape: Any) -> jax.Array:
    """The transpose of `convolve` with respect to a kernel of the given shape."""
    shapes = (inputs.shape, shape, outputs.shape)
    own = native.convolution(native.KERNEL_GRADIENT, inputs, outputs, shapes, window)
    if own is not None:
        return own
    part = _part(inputs)
    if part == inputs.shape[0]:
        return _kernel_gradient(inputs, outputs, window, shape)

    def add(index: jax.Array, total: jax.Array) -> jax.Array:
        rows = [lax.dynamic_slice_in_dim(each, index * part, part) for each in (inputs, outputs)]
        return total + _kernel_gradient(*rows, window, shape)

    return lax.fori_loop(0, inputs.shape[0] // part, add, jnp.zeros(shape, inputs.dtype))


def _part(inputs: jax.Array) -> int:
    """How many examples to take at a time: few enough for the second cache, where the batch divides so.

    XLA's transposition of many images reads from the memory once for each number.
    """
    batch = inputs.shape[0]
    most = max(1, _CACHED_BYTES * batch // (inputs.size * inputs.dtype.itemsize))
    part = max(n for n in range(1, batch + 1) if batch % n == 0 and n <= most)
    return part if part >= _FEWEST else batch


def _kernel_gradient(
    inputs: jax.Array, outputs: jax.Array, window: Window, shape: Any
) -> jax.Array:
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
    if any(min(pair) < 0 for pair in padding):
        # XLA's convolution on a CPU computes other values where padding is negative, of some shapes only.
        spread = options.pop("lhs_dilation", (1,) * len(space))
        cut = [(min(a, 0), min(b, 0), d - 1) for (a, b), d in zip(padding, spread, strict=True)]
        inputs = lax.pad(inputs, jnp.zeros((), inputs.dtype), [(0, 0, 0), *cut, (0, 0, 0)])
        padding = [(max(a, 0), max(b, 0)) for a, b in padding]
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


@jax.custom_vjp
def add_bias(outputs: jax.Array, bias: jax.Array) -> jax.Array:
    """(batch, *size, filters) + (filters,); the gradient of the bias is a product with ones.

    XLA's own sum over so many numbers is a tree of windows, which it computes six times slower.
    """
    return outputs + bias


def _sum_of_channels(values: jax.Array) -> jax.Array:
    if values.ndim > 2:
        return jnp.sum(sum_positions(values.reshape(len(values), -1, values.shape[-1])), axis=0)
    ones = jnp.ones(values.shape[0], values.dtype)
    return lax.dot_general(ones, values, (((0,), (0,)), ((), ())))


add_bias.defvjp(
    lambda outputs, bias: (add_bias(outputs, bias), None),
    lambda _, gradient: (gradient, _sum_of_channels(gradient)),
)


@jax.custom_vjp
def sum_positions(values: jax.Array) -> jax.Array:
    """(batch, positions, channels) -> (batch, channels), as a product with ones for the same reason."""
    ones = jnp.ones((values.shape[0], 1, values.shape[1]), values.dtype)
    return lax.dot_general(ones, values, (((2,), (1,)), ((0,), (0,))))[:, 0]


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def spread(values: jax.Array, positions: int) -> jax.Array:
    """(batch, channels) -> (batch, positions, channels): the transpose of `sum_positions`."""
    return jnp.broadcast_to(values[:, None], (values.shape[0], positions, values.shape[1]))


sum_positions.defvjp(
    lambda values: (sum_positions(values), values.shape[1]),
    lambda positions, gradient: (spread(gradient, positions),),
)
spread.defvjp(
    lambda values, positions: (spread(values, positions), None),
    lambda _, __, gradient: (sum_positions(gradient),),
)


@jax.custom_vjp
def sum_features(values: jax.Array) -> jax.Array:
    """(..., features) -> (..., 1), as a product with ones for the same reason."""
    ones = jnp.ones((values.shape[-1], 1), values.dtype)
    return lax.dot_general(values, ones, (((values.ndim - 1,), (0,)), ((), ())))


@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def spread_features(values: jax.Array, features: int) -> jax.Array:
    """(..., 1) -> (..., features): the transpose of `sum_features`."""
    return jnp.broadcast_to(values, (*values.shape[:-1], features))


sum_features.defvjp(
    lambda values: (sum_features(values), values.shape[-1]),
    lambda features, gradient: (spread_features(gradient, features),),
)
spread_features.defvjp(
    lambda values, features: (spread_features(values, features), None),
    lambda _, __, gradient: (sum_features(gradient),),
)


@jax.custom_vjp
def scale_features(values: jax.Array, factors: jax.Array) -> jax.Array:
    """(..., features) times (features,); the gradient of the factors is a product with ones."""
    return values * factors


scale_features.defvjp(
    lambda values, factors: (scale_features(values, factors), (values, factors)),
    lambda saved, gradient: (
        scale_features(gradient, saved[1]),
        _sum_of_channels((gradient * saved[0]).reshape(-1, gradient.shape[-1])),
    ),
)


def project(inputs: jax.Array, kernel: jax.Array, turned: bool = False) -> jax.Array:
    """(..., features) times (features, units), or where that is turned, (units, features)."""
    rows = _product(inputs.reshape(-1, inputs.shape[-1]), kernel, False, turned)
    return rows.reshape(*inputs.shape[:-1], rows.shape[-1])


@functools.partial(jax.custom_vjp, nondiff_argnums=(2, 3))
def _product(
    first: jax.Array, second: jax.Array, first_turned: bool, second_turned: bool
) -> jax.Array:
    """The product of two matrices, either of which may be turned before; its derivatives are such products.

    For the gradient of a kernel one of two factors is turned around. JAX turns the gradient that came, and XLA then
    computes all of that again in the order of the turned one; the input is the cheaper of the two.
    """
    own = native.product(first, second, first_turned, second_turned)
    if own is not None:
        return own
    axes = ((0 if first_turned else 1,), (1 if second_turned else 0,))
    return lax.dot_general(first, second, (axes, ((), ())))


def _product_gradients(first_turned: bool, second_turned: bool, saved: tuple, gradient: jax.Array):
    first, second = saved
    if first_turned:
        of_first = _product(second, gradient, second_turned, True)
    else:
        of_first = _product(gradient, second, False, not second_turned)
    if second_turned:
        of_second = _product(gradient, first, True, first_turned)
    else:
        of_second = _product(first, gradient, not first_turned, False)
    return of_first, of_second


_product.defvjp(
    lambda first, second, *turned: (_product(first, second, *turned), (first, second)),
    _product_gradients,
)


def normalize(
    plain: Callable,
    inputs: jax.Array,
    gamma: jax.Array,
    beta: jax.Array,
    groups: int,
    epsilon: float,
) -> jax.Array | None:
    """Group normalization of (batch, positions, channels) and the SiLU after it, or None where XLA is to do it.

    Args:
        plain: The same as a function of inputs, gamma and beta: what second derivatives are taken of.
        inputs: What is normalized.
        gamma: Scale of each channel.
        beta: Shift of each channel.
        groups: Into so many the channels are divided.
        epsilon: Added to the variance.
    """
    if not native.normalizes(inputs):
        return None
    return _normalize(inputs, gamma, beta, plain, groups, epsilon)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def _normalize(inputs, gamma, beta, plain, groups, epsilon):  # noqa: ARG001 (its derivatives want it)
    from gm_keras.backend.native import normalization

    return normalization.normalize(inputs, gamma, beta, groups, epsilon)


@functools.partial(jax.custom_vjp, nondiff_argnums=(4, 5, 6))
def _normalize_gradients(inputs, gamma, beta, upstream, plain, groups, epsilon):  # noqa: ARG001
    from gm_keras.backend.native import normalization

    of_inputs, *rows = normalization.gradients(inputs, gamma, beta, upstream, groups, epsilon)
    return of_inputs, *(jnp.sum(each, axis=0) for each in rows)


def _second_gradients(plain, saved, upstream):
    def gradients(*given):
        return jax.vjp(plain, *given[:-1])[1](given[-1])

    return jax.vjp(gradients, *saved)[1](upstream)


_normalize.defvjp(
    lambda x, gamma, beta, *rest: (_normalize(x, gamma, beta, *rest), (x, gamma, beta)),
    lambda plain, groups, epsilon, saved, y: _normalize_gradients(
        *saved, y, plain, groups, epsilon
    ),
)
_normalize_gradients.defvjp(
    lambda *given: (_normalize_gradients(*given), given[:4]),
    lambda plain, groups, epsilon, *rest: _second_gradients(plain, *rest),
)


def attend(plain: Callable, joined: jax.Array, heads: int, causal: bool) -> jax.Array | None:
    """Attention over queries, keys and values side by side, or None where XLA is to do it.

    Args:
        plain: The same as a function of `joined`: what second derivatives are taken of.
        joined: `(batch, length, 3 * width)`.
        heads: Their number.
        causal: Whether a position sees itself and those before it only.
    """
    if not native.attends(joined, heads, causal):
        return None
    return _attend(joined, plain, heads, causal)[0]


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2, 3))
def _attend(joined, plain, heads, causal):  # noqa: ARG001 (its derivatives want it)
    """The outputs, and the logarithms of sums that their gradient needs; these have none themselves."""
    from gm_keras.backend.native import attention

    return attention.attend(joined, heads, causal)


def _attend_forward(joined, *rest):
    outputs, log_sums = _attend(joined, *rest)
    return (outputs, log_sums), (joined, log_sums)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4, 5))
def _attend_gradient(joined, log_sums, upstream, plain, heads, causal):  # noqa: ARG001
    from gm_keras.backend.native import attention

    return attention.gradient(joined, log_sums, upstream, heads, causal)


def _attend_second(plain, heads, causal, saved, upstream):  # noqa: ARG001
    joined, log_sums, first = saved
    of_joined, of_first = _second_gradients(plain, (joined, first), (upstream,))
    # The sums follow from the rest: a gradient through them is in that of the rest.
    return of_joined, jnp.zeros_like(log_sums), of_first


_attend.defvjp(
    _attend_forward,
    lambda plain, heads, causal, saved, y: (_attend_gradient(*saved, y[0], plain, heads, causal),),
)
_attend_gradient.defvjp(lambda *given: (_attend_gradient(*given), given[:3]), _attend_second)
