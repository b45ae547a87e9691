"""Attention between the positions of a sequence, with the kernel of the device where it has one."""

from typing import Any

from keras import ops

from gm_keras import backend


def has_fused_attention() -> bool:
    """Whether `causal_attention` may be quicker than products and a softmax written out."""
    return backend.on_accelerator()


def causal_attention(queries: Any, keys: Any, values: Any) -> Any:
    """Every position attends to itself and to those before it.

    On a GPU under JAX this is cuDNN's flash attention for bfloat16 and float16, which never writes the weights
    `(batch, heads, length, length)`; it has no second derivative. Elsewhere the weights are written out in float32.

    Args:
        queries: `(batch, length, heads, size)`.
        keys: As the queries.
        values: As the queries.

    Returns:
        `(batch, length, heads, size)`.
    """
    return ops.dot_product_attention(queries, keys, values, is_causal=True)
