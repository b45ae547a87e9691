"""Embeddings of numbers and of tokens."""

import math

import keras
from keras import ops

from gm_keras.ops.projection import similarities


@keras.saving.register_keras_serializable("gm_keras")
class SinusoidalEmbedding(keras.layers.Layer):
    """Sines and cosines of a number at frequencies from 1 down to 1/10000 (Vaswani et al. 2017, arXiv 1706.03762).

    Args:
        dim: The width of the embedding; even.
        scale: Multiplies the numbers first, so that they span about 0 to 1000.
    """

    def __init__(self, dim, scale=1.0, **kwargs):
        super().__init__(**kwargs)
        if dim < 4 or dim % 2:
            raise ValueError(
                f"the width of a sinusoidal embedding must be even and at least 4, not {dim}"
            )
        self.dim = dim
        self.scale = scale

    def call(self, values):
        """Embeds numbers `(batch,)`, integers or floats, as `(batch, dim)`."""
        half = self.dim // 2
        exponents = ops.arange(half, dtype="float32") * (-math.log(10000.0) / (half - 1))
        # In float32 whatever the policy: bfloat16 cannot tell time 999 from 1000.
        angles = ops.cast(values, "float32")[:, None] * self.scale * ops.exp(exponents)
        embedding = ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
        return ops.cast(embedding, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], self.dim)

    def get_config(self):
        return {**super().get_config(), "dim": self.dim, "scale": self.scale}


@keras.saving.register_keras_serializable("gm_keras")
class Embedding(keras.layers.Embedding):
    """`keras.layers.Embedding`; its kernel, the table, is a matrix `(classes, features)` as that of a dense layer is."""

    @property
    def kernel(self):
        """The table: a row for each class."""
        return self.embeddings

    def with_kernel(self, inputs, kernel):
        """The rows of another table `(classes, features)` for integers `(...)`: `(..., features)`."""
        return ops.take(kernel, ops.cast(inputs, "int32"), axis=0)


@keras.saving.register_keras_serializable("gm_keras")
class TiedEmbedding(keras.layers.ReversibleEmbedding):
    """A vector for each token, and the logits of tokens by the same table (Press & Wolf 2017, arXiv 1608.05859).

    Keras' own layer computes the logits in the dtype of the variable: in float32 under `mixed_bfloat16`.
    """

    def call(self, inputs, reverse=False):
        """Maps tokens `(batch, length)` to vectors; with `reverse`, `(batch, length, features)` to logits."""
        if not reverse:
            return super().call(inputs)
        return similarities(inputs, ops.cast(self.embeddings, self.compute_dtype))
