"""Kernels for JAX on a CPU that are quicker than XLA's (`benchmarks/NOTES.md`): oneDNN's, and some compiled by numba.

XLA calls them through its foreign function interface. Where the packages of the extra `native` are missing,
GM_KERAS_NATIVE is 0, this JAX lacks what they are called through, or oneDNN has nothing quick for this processor, they
answer None, and the work is XLA's.
"""

import functools
import importlib
import itertools
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp

from gm_keras.backend import numba_kernels
from gm_keras.backend.native import library, primitives
from gm_keras.backend.native.primitives import FORWARD, INPUT_GRADIENT, KERNEL_GRADIENT

__all__ = [
    "FORWARD",
    "INPUT_GRADIENT",
    "KERNEL_GRADIENT",
    "attends",
    "convolution",
    "noise_key",
    "normalizes",
    "product",
]

# Multiplications from which on a call is worth it.
_WORTH_CONVOLUTION, _WORTH_PRODUCT = 2**20, 2**22
# The same of attention, and the positions up to which a thread's scores, twice, are no burden.
_WORTH_ATTENTION, _MOST_POSITIONS = 2**20, 2048
# Values from which on a normalization is.
_WORTH_NORMALIZATION = 2**16


def convolution(
    kind: int, first: jax.Array, second: jax.Array, shapes: Sequence[tuple[int, ...]], window: Any
) -> jax.Array | None:
    """One of the three convolutions, or None where it is XLA's to compute.

    Args:
        kind: Which.
        first: Input or, of `INPUT_GRADIENT`, the gradient of the outputs.
        second: Kernel or, of `KERNEL_GRADIENT`, the gradient of the outputs.
        shapes: Of input, kernel and outputs.
        window: How the kernel moves.
    """
    if min(itertools.chain(*window.padding)) < 0:
        return _convolution_of_part(kind, first, second, shapes, window)
    inputs, kernel, outputs = shapes
    size, padding, zeros = tuple(inputs[1:-1]), window.padding, ()
    if kind == KERNEL_GRADIENT:
        size, padding, zeros = _within_half(size, kernel[:-2], window)
    wanted = primitives.Convolution(
        kind,
        str(first.dtype),
        inputs[0],
        inputs[-1],
        outputs[-1],
        window.groups,
        size,
        tuple(outputs[1:-1]),
        tuple(kernel[:-2]),
        tuple(window.strides),
        tuple(window.dilation),
        tuple(before for before, _ in padding),
        tuple(after for _, after in padding),
    )
    if wanted.work < _WORTH_CONVOLUTION or not _ours(wanted, first, second):
        return None
    if any(map(any, zeros)):
        first = jnp.pad(first, [(0, 0), *zeros, (0, 0)])
    return _call(wanted, first, second)


def _convolution_of_part(kind, first, second, shapes, window) -> jax.Array | None:
    """Negative padding leaves the edge of the input out: oneDNN sees the rest."""
    inputs, kernel, outputs = shapes
    edges = [(min(before, 0), min(after, 0)) for before, after in window.padding]
    size = [n + sum(edge) for n, edge in zip(inputs[1:-1], edges, strict=True)]
    padding = tuple((max(before, 0), max(after, 0)) for before, after in window.padding)
    rest = (inputs[0], *size, inputs[-1])
    window = window._replace(padding=padding)

    def edged(values, sign):
        widths = [(0, 0, 0), *((sign * a, sign * b, 0) for a, b in edges), (0, 0, 0)]
        return jax.lax.pad(values, jnp.zeros((), values.dtype), widths)

    if kind != INPUT_GRADIENT:
        first = edged(first, 1)
    result = convolution(kind, first, second, (rest, kernel, outputs), window)
    if result is None or kind != INPUT_GRADIENT:
        return result
    return edged(result, -1)


def _within_half(size: tuple, extent: tuple, window: Any) -> tuple:
    """Size and padding for oneDNN's kernel gradient, and the zeros to be laid out before.

    Where padding is more than half of the kernel's reach it takes a way that is several times slower.
    """
    halves = [((n - 1) * each + 1) // 2 for n, each in zip(extent, window.dilation, strict=True)]
    zeros = [
        tuple(max(each - half, 0) for each in pair)
        for pair, half in zip(window.padding, halves, strict=True)
    ]
    size = tuple(n + sum(pair) for n, pair in zip(size, zeros, strict=True))
    padding = [(a - c, b - d) for (a, b), (c, d) in zip(window.padding, zeros, strict=True)]
    return size, padding, zeros


def product(
    first: jax.Array, second: jax.Array, first_turned: bool, second_turned: bool
) -> jax.Array | None:
    """The product of two matrices, either of which may be turned before, or None where it is XLA's to compute."""
    rows, inner = first.shape[::-1] if first_turned else first.shape
    columns = second.shape[0] if second_turned else second.shape[1]
    wanted = primitives.Product(str(first.dtype), rows, inner, columns, first_turned, second_turned)
    if wanted.work < _WORTH_PRODUCT or not _ours(wanted, first, second):
        return None
    return _call(wanted, first, second)


def _call(wanted: primitives.Work, first: jax.Array, second: jax.Array) -> jax.Array:
    return _kernels("onednn").call(wanted, first, second)


def _ours(wanted: primitives.Work, first: jax.Array, second: jax.Array) -> bool:
    return (
        first.dtype == second.dtype
        and wanted.dtype in primitives.DTYPES
        and library.onednn() is not None
        and _kernels("onednn") is not None
        and _supported(wanted)
    )


def _kernels(name: str) -> ModuleType | None:
    """A module of kernels, or None where they are not wanted, or are not to be called."""
    return _imported(name) if numba_kernels.wanted() else None


@functools.cache
def _imported(name: str) -> ModuleType | None:
    """A module of kernels, or None where this JAX lacks what they are called through.

    JAX promises neither its interfaces for foreign functions and generators, nor that its XLA takes handlers of any
    version. Imported when it is first asked for: with it comes numba, which takes a while.
    """
    try:
        return importlib.import_module(f"{__name__}.{name}")
    except (ImportError, jax.errors.JaxRuntimeError):
        return None


@functools.cache
def _supported(wanted: primitives.Work) -> bool:
    if primitives.prepared.cache_info().currsize >= primitives.MOST:
        return False
    try:
        primitives.prepared(wanted)
    except library.UnsupportedError:
        return False
    return True


def attends(joined: jax.Array, heads: int, causal: bool) -> bool:
    """Whether attention over `(batch, length, 3 * width)` is ours to compute."""
    batch, length, features = joined.shape
    if joined.dtype != "float32" or length > _MOST_POSITIONS or library.onednn() is None:
        return False
    if 2 * batch * length**2 * features // 3 < _WORTH_ATTENTION:
        return False
    attention = _kernels("attention")
    return attention is not None and all(map(_attends, attention.work_of(joined, heads, causal)))


@functools.cache
def _attends(work: Any) -> bool:
    attention = _kernels("attention")
    most = attention.prepared.cache_info().currsize >= primitives.MOST
    return not most and attention.supported(work)


def noise_key(words: jax.Array) -> jax.Array:
    """The two words of a seed as a key of `jax.random`: the same draws as without, larger ones quicker."""
    noise = _kernels("noise")
    if noise is None:
        return words
    return jax.random.wrap_key_data(words, impl=noise.implementation())


def normalizes(inputs: jax.Array) -> bool:
    """Whether group normalization of `(batch, positions, channels)` and the SiLU after it are ours to compute."""
    return (
        inputs.dtype == "float32"
        and inputs.size >= _WORTH_NORMALIZATION
        and _kernels("normalization") is not None
    )
