"""Normalization whose sums are quick on every backend, differentiable twice on each."""

import math

import keras
from keras import layers, ops

from gm_keras import backend
from gm_keras.ops.normalization import group_normalize, layer_normalize

# What Keras' layer normalization is told, or says of itself, where it does what ours does.
_PLAIN = {"axis": (-1, [-1]), "center": (True,), "scale": (True,), "rms_scaling": (False,)}


@keras.saving.register_keras_serializable("gm_keras")
class GroupNormalization(layers.Layer):
    """Group normalization (Wu & He 2018, arXiv 1803.08494), and the activation after it.

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
        *size, channels = inputs.shape[1:]
        values = ops.reshape(inputs, (-1, math.prod(size), channels))
        weights = (self.gamma, self.beta)
        outputs = group_normalize(values, *weights, self.groups, self.epsilon, self.activation)
        return ops.reshape(outputs, (-1, *size, channels))

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "groups": self.groups,
            "epsilon": self.epsilon,
            "activation": keras.activations.serialize(self.activation),
        }


@keras.saving.register_keras_serializable("gm_keras")
class LayerNormalization(layers.LayerNormalization):
    """Layer normalization (Ba et al. 2016, arXiv 1607.06450) over the last axis: Keras' own, with quicker sums on JAX on a CPU.

    Args:
        epsilon: Added to the variance.

    Raises:
        ValueError: If Keras' further options ask for another axis, or leave out the scale or the shift.
    """

    def __init__(self, epsilon=1e-5, **options):
        if any(options.get(key, each[0]) not in each for key, each in _PLAIN.items()):
            raise ValueError(
                f"layer normalization is over the last axis, with scale and shift, not {options}"
            )
        super().__init__(epsilon=epsilon, **options)

    def call(self, inputs):
        """Normalizes `(..., features)` over the features, with moments in float32."""
        if backend.kernels() is None:
            return super().call(inputs)
        return layer_normalize(inputs, self.gamma, self.beta, self.epsilon)
