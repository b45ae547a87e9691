"""Group normalization in one pass over its input, differentiable twice on every backend."""

import math

import keras
from keras import layers, ops

from gm_keras.ops.positions import spread, sum_positions
from gm_keras.ops.projection import add_bias


@keras.saving.register_keras_serializable("gm_keras")
class GroupNormalization(layers.Layer):
    """Group normalization (Wu & He 2018, arXiv 1803.08494), and the activation after it.

    Moments are first taken of each channel, then of the groups: sums over whole rows of channels are fast, and what
    is left to do for each value is one product, one sum and the activation.

    Keras' own layer takes its moments from `tf.nn.moments`, which stops a gradient: right for a first derivative,
    wrong for the second, so that a gradient penalty trains another critic under TensorFlow
    (https://github.com/tensorflow/tensorflow/blob/v2.21.0/tensorflow/python/ops/nn_impl.py, `moments`).

    Args:
        groups: The channels, the last axis, are divided into so many groups; 1 normalizes whole examples.
        epsilon: Added to the variance.
        activation: Of the normalized values, by Keras' name; None for none.
    """

    def __init__(self, groups=1, epsilon=1e-5, activation=None, **options):
        super().__init__(**options)
        self.groups = groups
        self.epsilon = epsilon
        self.activation = keras.activations.get(activation)

    def build(self, input_shape):
        channels = input_shape[-1]
        if channels % self.groups:
            raise ValueError(f"{channels} channels cannot be divided into {self.groups} groups")
        self.gamma = self.add_weight(shape=(channels,), initializer="ones", name="gamma")
        self.beta = self.add_weight(shape=(channels,), initializer="zeros", name="beta")

    def call(self, inputs):
        """Normalizes `(batch, ..., channels)` over all axes but the batch and the groups; moments in float32."""
        channels = inputs.shape[-1]
        values = ops.cast(inputs, "float32")
        positions = math.prod(inputs.shape[1:-1])
        flat = ops.reshape(values, (-1, positions, channels))
        mean = self._of_groups(sum_positions(flat) / positions)
        # The minus on the few: the gradient of a difference would be turned around for every value.
        deviations = flat + spread(-mean, positions)
        variance = self._of_groups(sum_positions(ops.square(deviations)) / positions)
        scale = ops.cast(self.gamma, "float32") * ops.rsqrt(variance + self.epsilon)
        outputs = add_bias(deviations * spread(scale, positions), self.beta)
        outputs = ops.cast(ops.reshape(outputs, (-1, *inputs.shape[1:])), self.compute_dtype)
        return self.activation(outputs)

    def _of_groups(self, values):
        """The mean over each group of channels, for each channel: `(batch, channels)`."""
        channels = values.shape[-1]
        size = channels // self.groups
        means = ops.mean(ops.reshape(values, (-1, self.groups, size)), axis=2, keepdims=True)
        return ops.reshape(
            ops.broadcast_to(means, (ops.shape(means)[0], self.groups, size)), (-1, channels)
        )

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "groups": self.groups,
            "epsilon": self.epsilon,
            "activation": keras.activations.serialize(self.activation),
        }
