"""Attention in which a position sees itself and those before it, at once or one position after the other."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from gm_keras.layers.dense import Dense
from gm_keras.ops.attention import causal_attention, has_fused_attention


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
        # The kernel of a device has no dropout of our seeds.
        if has_fused_attention() and not (training and self.rate):
            return self._project(causal_attention(*self._heads(inputs)))
        queries, keys, values = self._queries_keys_values(inputs)
        return self._attend(queries, keys, values, _past(inputs.shape[1]), training)

    def prefill(self, inputs: Any) -> tuple[Any, tuple]:
        """The call, and the cache as the steps over all positions would leave it."""
        queries, keys, values = self._queries_keys_values(inputs)
        return self._attend(queries, keys, values, _past(inputs.shape[1])), (keys, values)

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
        queries, key, value = self._queries_keys_values(inputs)
        keys = ops.slice_update(cache[0], (0, 0, position, 0), key)
        values = ops.slice_update(cache[1], (0, 0, position, 0), value)
        visible = ops.arange(keys.shape[2]) <= position
        return self._attend(queries, keys, values, visible), (keys, values)

    def _heads(self, inputs):
        """Queries, keys and values: each `(batch, length, heads, width / heads)`."""
        _, length, width = inputs.shape
        shape = (-1, length, self.heads, width // self.heads)
        return [ops.reshape(part, shape) for part in ops.split(self.projection(inputs), 3, axis=-1)]

    def _queries_keys_values(self, inputs):
        """The same, heads first: each `(batch, heads, length, width / heads)`."""
        return [ops.transpose(part, (0, 2, 1, 3)) for part in self._heads(inputs)]

    def _project(self, attended):
        """Maps `(batch, length, heads, width / heads)` to the outputs `(batch, length, width)`."""
        _, length, heads, size = attended.shape
        return self.output_projection(ops.reshape(attended, (-1, length, heads * size)))

    def _attend(self, queries, keys, values, visible, training=False):
        size = queries.shape[-1]
        scores = ops.matmul(queries, ops.transpose(keys, (0, 1, 3, 2)))
        scores = ops.cast(scores, "float32") / math.sqrt(size)
        weights = ops.softmax(ops.where(visible, scores, -1e9), axis=-1)
        weights = self.dropout(ops.cast(weights, values.dtype), training=training)
        return self._project(ops.transpose(ops.matmul(weights, values), (0, 2, 1, 3)))

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


def _past(length: int) -> np.ndarray:
    """Which positions (columns) each position (rows) sees."""
    return np.tril(np.ones((length, length), "bool"))
