"""The convolutional layers of Keras on the convolutions of `gm_keras.ops`.

Arguments, weights and values are those of Keras' layers. Gradients on JAX on a CPU are faster.
"""

import keras
from keras import layers

from gm_keras.ops.convolution import convolve, convolve_transposed
from gm_keras.ops.projection import add_bias


class _Closed:
    """What overrides the stock convolution; only channels last."""

    def call(self, inputs):
        """Maps `(batch, *size, channels)` to `(batch, *new size, filters)`."""
        return self.with_kernel(inputs, self.kernel)

    def with_kernel(self, inputs, kernel):
        """The call with another kernel in the place of the layer's own."""
        outputs = self.convolution_op(inputs, kernel)
        if self.use_bias:
            outputs = add_bias(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)

    def convolution_op(self, inputs, kernel):
        return convolve(inputs, kernel, self.strides, self.padding, self.dilation_rate)


@keras.saving.register_keras_serializable("gm_keras")
class Conv1D(_Closed, layers.Conv1D):
    """`keras.layers.Conv1D`, causal padding included."""

    def convolution_op(self, inputs, kernel):
        if self.padding != "causal":
            return super().convolution_op(inputs, kernel)
        before = self.dilation_rate[0] * (self.kernel_size[0] - 1)
        return convolve(inputs, kernel, self.strides, [(before, 0)], self.dilation_rate)


@keras.saving.register_keras_serializable("gm_keras")
class Conv2D(_Closed, layers.Conv2D):
    """`keras.layers.Conv2D`."""


@keras.saving.register_keras_serializable("gm_keras")
class Conv2DTranspose(_Closed, layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose`."""

    def convolution_op(self, inputs, kernel):
        return convolve_transposed(
            inputs, kernel, self.strides, self.padding, self.output_padding, self.dilation_rate
        )
