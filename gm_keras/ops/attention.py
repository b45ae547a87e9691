"""Attention between the positions of a sequence or of an image, with the kernel of the device where it has one."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

from gm_keras import backend


def self_attention(
    joined: Any, heads: int, causal: bool = False, dropout: Callable | None = None
) -> Any:
    """Every position attends to every position or, under a causal mask, to itself and to those before it.

    On a GPU a causal one is cuDNN's flash attention under JAX for bfloat16 and float16, which never writes the weights
    `(batch, heads, length, length)`; it has no second derivative. On a CPU JAX takes a kernel of our own for float32.
    Elsewhere, and with dropout, the weights are written out in float32.

    Args:
        joined: Queries, keys and values side by side, `(batch, length, 3 * width)`.
        heads: Into so many equal parts each of the three is divided.
        causal: Whether there is a mask.
        dropout: Of the weights; None for none.

    Returns:
        The heads side by side, `(batch, length, width)`.
    """
    width = joined.shape[-1] // 3

    def plain(joined):
        # Of one head nothing is to be moved.
        parts = ops.split(joined, 3, axis=-1) if heads == 1 else split_heads(joined, heads)
        queries, keys, values = parts
        visible = np.tril(np.ones((joined.shape[1],) * 2, "bool")) if causal else None
        weights = attention_weights(queries, keys, visible)
        weights = ops.cast(weights, values.dtype)
        attended = ops.matmul(weights if dropout is None else dropout(weights), values)
        return attended if heads == 1 else join_heads(attended)

    if dropout is None:
        if causal and backend.on_accelerator():
            parts = ops.split(joined, 3, axis=-1)
            shape = (-1, joined.shape[1], heads, width // heads)
            parts = [ops.reshape(part, shape) for part in parts]
            attended = ops.dot_product_attention(*parts, is_causal=True)
            return ops.reshape(attended, (-1, joined.shape[1], width))
        own = backend.kernels()
        if own is not None:
            attended = own.attend(plain, ops.convert_to_tensor(joined), heads, causal)
            if attended is not None:
                return attended
    return plain(joined)


def split_heads(joined: Any, heads: int) -> list[Any]:
    """Queries, keys and values, each `(batch, heads, length, width / heads)`, of `(batch, length, 3 * width)`."""
    _, length, features = joined.shape
    shape = (-1, length, heads, features // (3 * heads))
    parts = [ops.reshape(part, shape) for part in ops.split(joined, 3, axis=-1)]
    return [ops.transpose(part, (0, 2, 1, 3)) for part in parts]


def attention_weights(queries: Any, keys: Any, visible: Any = None) -> Any:
    """The weights of each position (columns) for each one that asks (rows), in float32.

    Args:
        queries: `(batch, heads, asking, size)`; without heads for one head.
        keys: `(batch, heads, length, size)`, likewise.
        visible: Which positions are seen, for all or for each that asks; None for all.
    """
    scores = ops.matmul(queries, ops.swapaxes(keys, -1, -2))
    scores = ops.cast(scores, "float32") / math.sqrt(queries.shape[-1])
    return ops.softmax(scores if visible is None else ops.where(visible, scores, -1e9), axis=-1)


def join_heads(attended: Any) -> Any:
    """The heads side by side, `(batch, length, width)`, of `(batch, heads, length, width / heads)`."""
    _, heads, length, size = attended.shape
    return ops.reshape(ops.transpose(attended, (0, 2, 1, 3)), (-1, length, heads * size))
