"""Convolutions in one form for every backend: channels last, one, two or three dimensions.

Their values are those of `keras.ops.conv` and `keras.ops.conv_transpose`. On JAX on a CPU they are the ones of
`gm_keras.backend.jax_kernels`, whose derivatives are convolutions again, and fast there.
"""

from collections.abc import Sequence
from typing import Any

from keras import ops

from gm_keras import backend

Sizes = int | Sequence[int]
Padding = str | Sequence[tuple[int, int]]


def convolve(
    inputs: Any, kernel: Any, strides: Sizes = 1, padding: Padding = "same", dilation: Sizes = 1
) -> Any:
    """Convolves; where the kernel has fewer input channels than there are, in groups.

    Args:
        inputs: `(batch, *size, channels)`.
        kernel: `(*kernel size, channels / groups, filters)`.
        strides: Of the kernel, one for all dimensions or one for each.
        padding: "same" (size / strides, rounded up), "valid", or a pair (before, after) for each dimension;
            negative numbers cut.
        dilation: Distance between the inputs that a position of the kernel sees.

    Returns:
        `(batch, *new size, filters)`, in the kernel's dtype.

    Raises:
        ValueError: If the channels cannot be divided into such groups, the padding is unknown, or the kernel
            is larger than the padded input.
    """
    size, extent = inputs.shape[1:-1], kernel.shape[:-2]
    strides, dilation = _each(strides, extent), _each(dilation, extent)
    _check_channels(inputs.shape[-1], kernel.shape)
    _check_padding(padding)
    own = backend.kernels()
    if own is None and isinstance(padding, str):
        return ops.conv(inputs, kernel, strides, padding.lower(), "channels_last", dilation)
    reach = _reach(extent, dilation)
    pairs = _pairs(size, reach, strides, padding)
    if any(n + sum(pair) < r for n, pair, r in zip(size, pairs, reach, strict=True)):
        raise ValueError(f"a kernel that reaches over {reach} does not fit into {size}, {padding=}")
    if own is None:
        inputs = _padded(inputs, pairs)
        return ops.conv(inputs, kernel, strides, "valid", "channels_last", dilation)
    kernel = ops.convert_to_tensor(kernel)
    window = own.Window(strides, pairs, dilation, inputs.shape[-1] // kernel.shape[-2])
    return own.convolve(ops.convert_to_tensor(inputs, kernel.dtype), kernel, window)


def convolve_transposed(
    inputs: Any,
    kernel: Any,
    strides: Sizes = 1,
    padding: str = "same",
    output_padding: Sizes | None = None,
    dilation: Sizes = 1,
) -> Any:
    """The transpose of a convolution with respect to its input, also called deconvolution.

    Args:
        inputs: `(batch, *size, channels)`.
        kernel: `(*kernel size, filters, channels)`.
        strides: Of the convolution; the output is so many times larger.
        padding: Of the convolution: "same" (size times strides) or "valid".
        output_padding: Of `keras.layers.Conv2DTranspose`: decides the size among those that the strides allow.
        dilation: As in `convolve`.

    Returns:
        `(batch, *new size, filters)`, in the kernel's dtype.
    """
    _check_padding(padding)
    own = backend.kernels()
    extent = kernel.shape[:-2]
    strides, dilation = _each(strides, extent), _each(dilation, extent)
    if own is None:
        return ops.conv_transpose(
            inputs, kernel, strides, padding, output_padding, "channels_last", dilation
        )
    kernel = ops.convert_to_tensor(kernel)
    size, reach = inputs.shape[1:-1], _reach(extent, dilation)
    extra = [None] * len(extent) if output_padding is None else _each(output_padding, extent)
    ends = [
        _transposed_end(n, r, s, padding, e)
        for n, r, s, e in zip(size, reach, strides, extra, strict=True)
    ]
    pairs = tuple(
        (before, (n - 1) * s + r - new - before)
        for (new, before), n, r, s in zip(ends, size, reach, strides, strict=True)
    )
    shape = (inputs.shape[0], *(new for new, _ in ends), kernel.shape[-2])
    window = own.Window(strides, pairs, dilation)
    inputs = ops.convert_to_tensor(inputs, kernel.dtype)
    return own.input_gradient(inputs, kernel, window, shape)


def _padded(inputs, pairs):
    kept = [slice(max(-before, 0), min(after, 0) or None) for before, after in pairs]
    zeros = [(max(before, 0), max(after, 0)) for before, after in pairs]
    return ops.pad(inputs[(slice(None), *kept)], ((0, 0), *zeros, (0, 0)))


def _transposed_end(size, reach, stride, padding, extra) -> tuple[int, int]:
    """The new size, and the zeros that the convolution puts before it."""
    if padding == "valid":
        new = (size - 1) * stride + (max(reach, stride) if extra is None else reach + extra)
        return new, 0
    if extra is None:
        new, zeros = size * stride, stride + reach - 2
    else:
        new, zeros = (size - 1) * stride + reach % 2 + extra, reach + reach % 2 - 2 + extra
    return new, reach - 1 - min(-(-zeros // 2), reach - 1)


def _each(value: Sizes, extent: Sequence[int]) -> tuple[int, ...]:
    return (value,) * len(extent) if isinstance(value, int) else tuple(value)


def _reach(extent, dilation) -> tuple[int, ...]:
    return tuple((k - 1) * d + 1 for k, d in zip(extent, dilation, strict=True))


def _pairs(size, reach, strides, padding) -> tuple[tuple[int, int], ...]:
    if not isinstance(padding, str):
        return tuple((int(before), int(after)) for before, after in padding)
    if padding.lower() == "valid":
        return ((0, 0),) * len(size)
    missing = [
        max((-(-n // s) - 1) * s + r - n, 0) for n, r, s in zip(size, reach, strides, strict=True)
    ]
    return tuple((total // 2, total - total // 2) for total in missing)


def _check_padding(padding: Padding) -> None:
    if isinstance(padding, str) and padding.lower() not in ("same", "valid"):
        raise ValueError(f'padding must be "same", "valid" or pairs of integers, not {padding!r}')


def _check_channels(channels: int, shape: Sequence[int]) -> None:
    if channels % shape[-2] or shape[-1] % max(channels // shape[-2], 1):
        raise ValueError(
            f"a kernel of shape {tuple(shape)} takes {shape[-2]} channels for each group: {channels} channels "
            f"and {shape[-1]} filters cannot be divided into such groups"
        )
