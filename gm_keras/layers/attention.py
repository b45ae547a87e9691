"""Attention between the pixels of an image."""

import keras
from keras import ops

from gm_keras.layers.dense import Dense
from gm_keras.layers.normalization import GroupNormalization
from gm_keras.ops.attention import self_attention


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
