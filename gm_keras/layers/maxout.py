"""Maxout units (Goodfellow et al. 2013, arXiv 1302.4389)."""

import keras
from keras import ops

from gm_keras.ops.projection import add_bias, project


@keras.saving.register_keras_serializable("gm_keras")
class Maxout(keras.layers.Layer):
    """Dense units of which each is the largest of several linear pieces.

    Args:
        units: How many there are.
        pieces: Of each.
        kernel_initializer: Of the weights.
    """

    def __init__(self, units, pieces, kernel_initializer="glorot_uniform", **options):
        super().__init__(**options)
        self.units = units
        self.pieces = pieces
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        width = self.units * self.pieces
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width), initializer=self.kernel_initializer, name="kernel"
        )
        self.bias = self.add_weight(shape=(width,), initializer="zeros", name="bias")

    def call(self, inputs):
        """Maps `(batch, features)` to `(batch, units)`."""
        outputs = add_bias(project(inputs, self.kernel), self.bias)
        return ops.max(ops.reshape(outputs, (-1, self.units, self.pieces)), axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        initializer = keras.initializers.serialize(self.kernel_initializer)
        return {
            **super().get_config(),
            "units": self.units,
            "pieces": self.pieces,
            "kernel_initializer": initializer,
        }
