"""The decoder-only transformer of GPT-2, with cached steps for sampling."""

import math
from typing import Any

import keras
from keras import ops

from gm_keras.layers.causal_attention import CausalSelfAttention
from gm_keras.layers.dense import Dense
from gm_keras.layers.embedding import TiedEmbedding
from gm_keras.layers.normalization import LayerNormalization
from gm_keras.ops.projection import add_bias

STDDEV = 0.02
EPSILON = 1e-5


def _normal(stddev: float) -> keras.initializers.Initializer:
    return keras.initializers.RandomNormal(stddev=stddev)


@keras.saving.register_keras_serializable("gm_keras")
class LearnedPositions(keras.layers.Layer):
    """Adds a learned vector for each position.

    Args:
        context: How many positions there are.
    """

    def __init__(self, context, **kwargs):
        super().__init__(**kwargs)
        self.context = context

    def build(self, input_shape):
        self.positions = self.add_weight(
            shape=(self.context, input_shape[-1]), initializer=_normal(STDDEV), name="positions"
        )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Maps `(batch, context, width)` to the same shape."""
        _, context, width = inputs.shape
        # Of whole sequences the table is a bias, whose gradient is quick on every backend.
        flat = ops.reshape(inputs, (-1, context * width))
        table = ops.reshape(ops.cast(self.positions, inputs.dtype), (-1,))
        return ops.reshape(add_bias(flat, table), (-1, context, width))

    def step(self, inputs: Any, position: Any) -> Any:
        """Maps `(batch, 1, width)`, at one position, to the same shape."""
        table = ops.convert_to_tensor(self.positions)
        vector = ops.slice(table, (position, 0), (1, inputs.shape[-1]))
        return inputs + ops.cast(vector, inputs.dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "context": self.context}


@keras.saving.register_keras_serializable("gm_keras")
class TransformerBlock(keras.layers.Layer):
    """Attention, then a dense network of four times the width, each normalized before and added after.

    Args:
        heads: Of the attention.
        dropout: Rate, on the attention weights and on what is added.
        output_stddev: Of the initial weights of the two projections whose results are added.
        seed: Of the dropout; the block uses this one and the next two.
    """

    def __init__(self, heads, dropout=0.0, output_stddev=STDDEV, seed=0, **kwargs):
        super().__init__(**kwargs)
        self.heads = heads
        self.rate = dropout
        self.output_stddev = output_stddev
        self.seed = seed
        policy = self.dtype_policy
        self.attention_norm = LayerNormalization(
            epsilon=EPSILON, dtype=policy, name="attention_norm"
        )
        self.attention = CausalSelfAttention(
            heads, dropout, STDDEV, output_stddev, seed, dtype=policy, name="attention"
        )
        self.attention_dropout = keras.layers.Dropout(dropout, seed=seed + 1, dtype=policy)
        self.dense_norm = LayerNormalization(epsilon=EPSILON, dtype=policy, name="dense_norm")
        self.dense_dropout = keras.layers.Dropout(dropout, seed=seed + 2, dtype=policy)

    def build(self, input_shape):
        width, policy = input_shape[-1], self.dtype_policy
        self.expand = Dense(
            4 * width, kernel_initializer=_normal(STDDEV), dtype=policy, name="expand"
        )
        self.contract = Dense(
            width, kernel_initializer=_normal(self.output_stddev), dtype=policy, name="contract"
        )
        for layer in (self.attention_norm, self.attention, self.dense_norm, self.expand):
            layer.build(input_shape)
        self.contract.build((*input_shape[:-1], 4 * width))
        self.built = True

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Maps `(batch, length, width)` to the same shape."""
        attended = self.attention(self.attention_norm(inputs), training=training)
        hidden = inputs + self.attention_dropout(attended, training=training)
        return hidden + self.dense_dropout(self._dense(hidden), training=training)

    def prefill(self, inputs: Any) -> tuple[Any, tuple]:
        """The call without dropout, and the cache of the attention."""
        attended, cache = self.attention.prefill(self.attention_norm(inputs))
        hidden = inputs + attended
        return hidden + self._dense(hidden), cache

    def step(self, inputs: Any, position: Any, cache: tuple) -> tuple[Any, tuple]:
        """One position, `(batch, 1, width)`, with the cache of the attention."""
        attended, cache = self.attention.step(self.attention_norm(inputs), position, cache)
        hidden = inputs + attended
        return hidden + self._dense(hidden), cache

    def _dense(self, hidden):
        expanded = self.expand(self.dense_norm(hidden))
        return self.contract(ops.gelu(expanded, approximate=True))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "heads": self.heads,
            "dropout": self.rate,
            "output_stddev": self.output_stddev,
            "seed": self.seed,
        }


@keras.saving.register_keras_serializable("gm_keras")
class Transformer(keras.Model):
    """From tokens, int32 `(batch, context)`, to the logits of each next one, `(batch, context, vocabulary)`.

    A functional model that also offers what `gm_keras.decoding.sequences` asks for.

    Args:
        vocabulary_size: Number of different tokens.
        context: Number of positions.
        blocks: Number of `TransformerBlock`s.
        width: Of the vectors between the blocks.
        heads: Of each attention; must divide the width.
        dropout: Rate, on the embeddings and in the blocks.
    """

    def __init__(
        self, vocabulary_size, context, blocks, width, heads, dropout=0.0, name="transformer"
    ):
        tokens = keras.Input((context,), dtype="int32", name="tokens")
        embedding = TiedEmbedding(
            vocabulary_size, width, embeddings_initializer=_normal(STDDEV), name="embedding"
        )
        positions = LearnedPositions(context, name="positions")
        # The sum of the 2 * blocks branches that are added up then starts at the scale of one.
        output_stddev = STDDEV / math.sqrt(2 * blocks)
        stack = [
            TransformerBlock(
                heads, dropout, output_stddev, seed=3 * index + 1, name=f"block_{index}"
            )
            for index in range(blocks)
        ]
        norm = LayerNormalization(epsilon=EPSILON, name="final_norm")
        hidden = positions(embedding(tokens))
        hidden = keras.layers.Dropout(dropout, seed=0, name="dropout")(hidden)
        for block in stack:
            hidden = block(hidden)
        super().__init__(tokens, embedding(norm(hidden), reverse=True), name=name)
        self.embedding, self.positions, self.stack, self.norm = embedding, positions, stack, norm
        self.context = context
        self._arguments = {
            "vocabulary_size": vocabulary_size,
            "context": context,
            "blocks": blocks,
            "width": width,
            "heads": heads,
            "dropout": dropout,
        }

    def initial_cache(self, batch: int, length: int) -> tuple:
        """An empty cache for the first `length` positions."""
        return tuple(block.attention.initial_cache(batch, length) for block in self.stack)

    def resized(self, cache: tuple, length: int) -> tuple:
        """The cache with room for the first `length` positions, and what it holds of them."""
        return tuple(
            block.attention.resized(each, length)
            for block, each in zip(self.stack, cache, strict=True)
        )

    def prefill(self, tokens: Any) -> tuple:
        """The cache after all of `(batch, context)` tokens."""
        hidden, caches = self.positions(self.embedding(tokens)), []
        for block in self.stack:
            hidden, cache = block.prefill(hidden)
            caches.append(cache)
        return tuple(caches)

    def step(self, tokens: Any, position: Any, cache: tuple) -> tuple[Any, tuple]:
        """The logits `(batch, vocabulary)` after one more token each, `(batch,)`, and the cache with it."""
        hidden = self.positions.step(self.embedding(ops.expand_dims(tokens, 1)), position)
        caches = []
        for block, each in zip(self.stack, cache, strict=True):
            hidden, filled = block.step(hidden, position, each)
            caches.append(filled)
        return ops.squeeze(self.embedding(self.norm(hidden), reverse=True), 1), tuple(caches)

    def get_config(self):
        return {**self._arguments, "name": self.name}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        del custom_objects
        return cls(**config)
