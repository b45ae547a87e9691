"""Weight normalization (Salimans & Kingma 2016, arXiv 1602.07868)."""

from typing import Any

import keras
from keras import ops

from gm_keras.ops.convolution import convolve
from gm_keras.ops.projection import add_bias, project


@keras.saving.register_keras_serializable("gm_keras")
class WeightNormConv2D(keras.layers.Layer):
    """A convolution whose kernel is a direction times a learned length, for each output channel.

    Args:
        filters: Number of output channels.
        kernel_size: Height and width of the kernel, in pixels.
        gain: The initial length; inputs of variance 1 give outputs of variance gain squared. 0 makes a
            layer that starts at zero and learns all the same.
        direction_initializer: Of the kernel's direction; its scale does not matter.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 3,
        gain: float = 1.0,
        direction_initializer: Any = "glorot_uniform",
        **options,
    ):
        super().__init__(**options)
        self.filters = filters
        self.kernel_size = kernel_size
        self.initial_gain = gain
        self.direction_initializer = keras.initializers.get(direction_initializer)

    def build(self, input_shape):
        self.direction = self.add_weight(
            shape=(self.kernel_size, self.kernel_size, input_shape[-1], self.filters),
            initializer=self.direction_initializer,
            name="direction",
        )
        self.gain = self.add_weight(
            shape=(self.filters,),
            initializer=keras.initializers.Constant(self.initial_gain),
            name="gain",
        )
        self.bias = self.add_weight(shape=(self.filters,), initializer="zeros", name="bias")
        self.built = True

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def call(self, inputs):
        direction = ops.convert_to_tensor(self.direction)
        squared_length = ops.sum(ops.square(direction), axis=(0, 1, 2))
        kernel = direction * (self.gain * ops.rsqrt(squared_length + 1e-12))
        if self.kernel_size == 1:
            return add_bias(project(inputs, kernel[0, 0]), self.bias)
        return add_bias(convolve(inputs, kernel), self.bias)

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "gain": self.initial_gain,
            "direction_initializer": keras.initializers.serialize(self.direction_initializer),
        }
