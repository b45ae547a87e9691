"""Attention in which a position sees itself and those before it, at once or one position after the other."""

import functools
from typing import Any

import keras
from keras import ops

from gm_keras.layers.dense import Dense
from gm_keras.ops.attention import attention_weights, join_heads, self_attention, split_heads


@keras.saving.register_keras_serializable("gm_keras")
class CausalSelfAttention(keras.layers.Layer):
    """Multi-head self-attention under a causal mask (Vaswani et al. 2017, arXiv 1706.03762).

    Besides the call for whole sequences there are `prefill` and `step` for sampling with a cache: a pair of
    keys and values, each `(batch, heads, length, width / heads)`. A step costs the same at every position.

    Args:
        heads: Must divide the width of the inputs.
        dropout: Rate, on the attention weights.
        kernel_stddev: Of the initial weights of queries, keys and values.
        output_stddev: Of the initial weights of the output projection.
        seed: Of the dropout.
    """

    def __init__(
        self, heads, dropout=0.0, kernel_stddev=0.02, output_stddev=0.02, seed=0, **kwargs
    ):
        super().__init__(**kwargs)
        self.heads = heads
        self.rate = dropout
        self.kernel_stddev = kernel_stddev
        self.output_stddev = output_stddev
        self.seed = seed
        self.dropout = keras.layers.Dropout(dropout, seed=seed, dtype=self.dtype_policy)

    def build(self, input_shape):
        width = input_shape[-1]
        if width % self.heads:
            raise ValueError(f"heads must divide the width {width}; {self.heads} do not")
        self.projection = Dense(
            3 * width,
            kernel_initializer=keras.initializers.RandomNormal(stddev=self.kernel_stddev),
            dtype=self.dtype_policy,
            name="queries_keys_values",
        )
        self.output_projection = Dense(
            width,
            kernel_initializer=keras.initializers.RandomNormal(stddev=self.output_stddev),
            dtype=self.dtype_policy,
            name="output_projection",
        )
        self.projection.build(input_shape)
        self.output_projection.build(input_shape)
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Maps `(batch, length, width)` to the same shape."""
        dropout = functools.partial(self.dropout, training=True) if training and self.rate else None
        attended = self_attention(self.projection(inputs), self.heads, True, dropout)
        return self.output_projection(attended)

    def prefill(self, inputs: Any) -> tuple[Any, tuple]:
        """The call, and the cache as the steps over all positions would leave it."""
        joined = self.projection(inputs)
        _, keys, values = split_heads(joined, self.heads)
        attended = self_attention(joined, self.heads, causal=True)
        return self.output_projection(attended), (keys, values)

    def initial_cache(self, batch: int, length: int) -> tuple:
        """A cache for `length` positions, none of them filled."""
        shape = (batch, self.heads, length, self.projection.units // (3 * self.heads))
        return ops.zeros(shape, self.compute_dtype), ops.zeros(shape, self.compute_dtype)

    def resized(self, cache: tuple, length: int) -> tuple:
        """The cache with room for the first `length` positions, and what it holds of them."""
        missing = max(0, length - cache[0].shape[2])
        padding = ((0, 0), (0, 0), (0, missing), (0, 0))
        return tuple(ops.pad(each[:, :, :length], padding) for each in cache)

    def step(self, inputs: Any, position: Any, cache: tuple) -> tuple[Any, tuple]:
        """One position: what later positions of the cache hold does not matter.

        Args:
            inputs: `(batch, 1, width)`.
            position: From 0; an integer or an int32 scalar.
            cache: Filled at all earlier positions.

        Returns:
            The outputs `(batch, 1, width)` and the cache with this position in it.
        """
        query, key, value = split_heads(self.projection(inputs), self.heads)
        keys = ops.slice_update(cache[0], (0, 0, position, 0), key)
        values = ops.slice_update(cache[1], (0, 0, position, 0), value)
        visible = ops.arange(keys.shape[2]) <= position
        weights = ops.cast(attention_weights(query, keys, visible), values.dtype)
        return self.output_projection(join_heads(ops.matmul(weights, values))), (keys, values)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "heads": self.heads,
            "dropout": self.rate,
            "kernel_stddev": self.kernel_stddev,
            "output_stddev": self.output_stddev,
            "seed": self.seed,
        }
