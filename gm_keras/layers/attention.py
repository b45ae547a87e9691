"""Attention between the pixels of an image."""

import keras
from keras import ops

from gm_keras.layers.dense import Dense
from gm_keras.layers.initializers import HostGlorotUniform, HostOrthogonal
from gm_keras.layers.normalization import GroupNormalization
from gm_keras.layers.spectral_normalization import SpectralNormalization
from gm_keras.ops.attention import attention_weights, self_attention


@keras.saving.register_keras_serializable("gm_keras")
class SpatialSelfAttention(keras.layers.Layer):
    """Every pixel attends to every pixel; the result is added to the input.

    Group normalization, queries, keys and values by 1x1 projections, one head, and an output projection that
    starts at zero, so that a new layer passes its input on unchanged (Ho et al. 2020, arXiv 2006.11239).

    Args:
        groups: Of the group normalization; must divide the number of channels.
    """

    def __init__(self, groups=8, **kwargs):
        super().__init__(**kwargs)
        self.groups = groups

    def build(self, input_shape):
        channels = input_shape[-1]
        # Sub-layers have the policy of this one, also where it is not the global one.
        self.normalization = GroupNormalization(
            self.groups, dtype=self.dtype_policy, name="normalization"
        )
        self.projection = Dense(3 * channels, dtype=self.dtype_policy, name="queries_keys_values")
        self.output_projection = Dense(
            channels, kernel_initializer="zeros", dtype=self.dtype_policy, name="output_projection"
        )
        self.normalization.build(input_shape)
        self.projection.build(input_shape)
        self.output_projection.build(input_shape)
        super().build(input_shape)

    def call(self, inputs):
        """Maps `(batch, height, width, channels)` to the same shape."""
        _, height, width, channels = inputs.shape
        flat = ops.reshape(
            self.projection(self.normalization(inputs)), (-1, height * width, 3 * channels)
        )
        attended = ops.reshape(self_attention(flat, heads=1), (-1, height, width, channels))
        return inputs + self.output_projection(attended)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "groups": self.groups}


@keras.saving.register_keras_serializable("gm_keras")
class GatedSelfAttention(keras.layers.Layer):
    """Every pixel attends to the others; gamma, a learned scalar from 0, times the result is added to the input.

    The self-attention of SAGAN (Zhang et al. 2019, arXiv 1805.08318) as in the authors' code: 1 x 1 projections
    without biases, spectrally normalized, to an eighth of the channels for queries and keys and to half of them for
    values; keys and values are the largest of each 2 x 2 pixels; the scores are not scaled. A new layer passes
    its input on unchanged. Of odd sides the last pixels are no keys.

    Args:
        orthogonal: Whether kernels begin orthogonal; otherwise Glorot's way.
    """

    def __init__(self, orthogonal=False, **options):
        super().__init__(**options)
        self.orthogonal = orthogonal

    def build(self, input_shape):
        height, width, channels = input_shape[1:]
        if channels < 8 or min(height, width) < 2:
            raise ValueError(
                f"self-attention needs at least 8 channels and 2 x 2 pixels, not {height} x {width} x {channels}"
            )

        # Sub-layers have the policy of this one, also where it is not the global one.
        def projection(units, name):
            dense = Dense(
                units,
                use_bias=False,
                kernel_initializer=HostOrthogonal() if self.orthogonal else HostGlorotUniform(),
                dtype=self.dtype_policy,
                name=name,
            )
            return SpectralNormalization(dense, dtype=self.dtype_policy, name=f"normalized_{name}")

        self.queries = projection(channels // 8, "queries")
        self.keys = projection(channels // 8, "keys")
        self.values = projection(channels // 2, "values")
        self.output_projection = projection(channels, "output_projection")
        self.gamma = self.add_weight(shape=(), initializer="zeros", name="gamma")
        for layer in (self.queries, self.keys, self.values):
            layer.build(input_shape)
        self.output_projection.build((*input_shape[:-1], channels // 2))
        super().build(input_shape)

    def call(self, inputs, training=False):
        """Maps `(batch, height, width, channels)` to the same shape."""
        _, height, width, _ = inputs.shape
        queries = _flat(self.queries(inputs, training=training))
        keys = _flat(ops.max_pool(self.keys(inputs, training=training), 2, 2))
        values = _flat(ops.max_pool(self.values(inputs, training=training), 2, 2))
        # The function divides by this root, SAGAN does not.
        scale = queries.shape[-1] ** 0.5
        weights = ops.cast(attention_weights(queries * scale, keys), values.dtype)
        attended = ops.reshape(ops.matmul(weights, values), (-1, height, width, values.shape[-1]))
        return inputs + self.gamma * self.output_projection(attended, training=training)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "orthogonal": self.orthogonal}


def _flat(image):
    _, height, width, channels = image.shape
    return ops.reshape(image, (-1, height * width, channels))
