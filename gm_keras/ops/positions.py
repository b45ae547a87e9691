"""What is summed over all positions of an image, or is the same at each, in one form for every backend."""

import math
from typing import Any

from keras import ops

from gm_keras import backend


def sum_positions(values: Any) -> Any:
    """The sums `(batch, channels)` over all positions of `(batch, positions, channels)`."""
    own = backend.kernels()
    if own is None:
        return ops.sum(values, axis=1)
    return own.sum_positions(ops.convert_to_tensor(values))


def spread(values: Any, positions: int) -> Any:
    """`(batch, channels)` at so many positions: `(batch, positions, channels)`, or what broadcasts to it."""
    own = backend.kernels()
    if own is None:
        return ops.expand_dims(values, 1)
    return own.spread(ops.convert_to_tensor(values), positions)


def add_everywhere(outputs: Any, vectors: Any) -> Any:
    """`(batch, *size, channels)` plus `(batch, channels)` at every position."""
    size = outputs.shape[1:-1]
    if backend.kernels() is None:
        return ops.add(outputs, ops.reshape(vectors, (-1, *[1] * len(size), vectors.shape[-1])))
    return ops.add(outputs, ops.reshape(spread(vectors, math.prod(size)), ops.shape(outputs)))
