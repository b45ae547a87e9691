"""The convolutional layers of Keras on the convolutions of `gm_keras.ops`.

Arguments, weights and values are those of Keras' layers. Gradients on JAX on a CPU are faster.
"""

import keras
from keras import layers

from gm_keras.ops.convolution import convolve, convolve_transposed


class _Closed:
    """What overrides the stock convolution; only channels last."""

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

    def call(self, inputs):
        """Maps `(batch, length, channels)` to `(batch, new length, filters)`."""
        # Keras' own does not ask `convolution_op`; its parents' does.
        return super(layers.Conv1D, self).call(inputs)


@keras.saving.register_keras_serializable("gm_keras")
class Conv2D(_Closed, layers.Conv2D):
    """`keras.layers.Conv2D`."""


@keras.saving.register_keras_serializable("gm_keras")
class Conv2DTranspose(layers.Conv2DTranspose):
    """`keras.layers.Conv2DTranspose`."""

    def call(self, inputs):
        """Maps `(batch, height, width, channels)` to `(batch, new height, new width, filters)`."""
        outputs = convolve_transposed(
            inputs,
            self.kernel,
            self.strides,
            self.padding,
            self.output_padding,
            self.dilation_rate,
        )
        if self.use_bias:
            outputs = outputs + self.bias
        return outputs if self.activation is None else self.activation(outputs)
