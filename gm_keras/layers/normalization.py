"""Normalization that can be differentiated twice on every backend."""

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable("gm_keras")
class GroupNormalization(layers.Layer):
    """Group normalization (Wu & He 2018, arXiv 1803.08494) for critics with a gradient penalty.

    Keras' own layer takes its moments from `tf.nn.moments`, which stops a gradient: right for a first derivative,
    wrong for the second, so that a gradient penalty trains another critic under TensorFlow
    (https://github.com/tensorflow/tensorflow/blob/v2.21.0/tensorflow/python/ops/nn_impl.py, `moments`).

    Args:
        groups: The channels, the last axis, are divided into so many groups; 1 normalizes whole examples.
        epsilon: Added to the variance.
    """

    def __init__(self, groups=1, epsilon=1e-5, **options):
        super().__init__(**options)
        self.groups = groups
        self.epsilon = epsilon

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels % self.groups:
            raise ValueError(f"{channels} channels cannot be divided into {self.groups} groups")
        self.gamma = self.add_weight(shape=(channels,), initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=(channels,), initializer="zeros", name="beta")

    def call(self, inputs):
        """Normalizes `(batch, ..., channels)` over all axes but the batch and the groups."""
        *inner, channels = inputs.shape[1:]
        grouped = ops.reshape(inputs, (-1, *inner, self.groups, channels // self.groups))
        axes = (*range(1, len(inner) + 1), len(inner) + 2)
        centred = grouped - ops.mean(grouped, axis=axes, keepdims=True)
        variance = ops.mean(ops.square(centred), axis=axes, keepdims=True)
        normalized = centred * ops.rsqrt(variance + self.epsilon)
        return self.gamma * ops.reshape(normalized, (-1, *inner, channels)) + self.beta

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "groups": self.groups, "epsilon": self.epsilon}
