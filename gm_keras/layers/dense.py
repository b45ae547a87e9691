"""The dense layer of Keras on the products of `gm_keras.ops`: same weights and values, quicker gradients on JAX on a CPU."""

import keras
from keras import layers

from gm_keras.ops.projection import add_bias, project


@keras.saving.register_keras_serializable("gm_keras")
class Dense(layers.Dense):
    """`keras.layers.Dense`."""

    def call(self, inputs, training=None):
        """Maps `(..., features)` to `(..., units)`."""
        return self.with_kernel(inputs, self.kernel)

    def with_kernel(self, inputs, kernel):
        """The call with another kernel in the place of the layer's own."""
        outputs = project(inputs, kernel)
        if self.bias is not None:
            outputs = add_bias(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)
