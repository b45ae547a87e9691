"""Weight normalization (Salimans & Kingma 2016, arXiv 1602.07868)."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("gm_keras")
class WeightNormConv2D(keras.layers.Layer):
    """A convolution whose kernel is a direction times a learned length, for each output channel.

    Args:
        filters: Number of output channels.
        kernel_size: Height and width of the kernel, in pixels.
        gain: The initial length; with inputs of variance 1 the outputs have variance gain squared.
            0 makes a layer that starts at zero and still learns.
    """

    def __init__(self, filters: int, kernel_size: int = 3, gain: float = 1.0, **options):
        super().__init__(**options)
        self.filters = filters
        self.kernel_size = kernel_size
        self.initial_gain = gain

    def build(self, input_shape):
        self.direction = self.add_weight(
            shape=(self.kernel_size, self.kernel_size, input_shape[-1], self.filters),
            initializer="he_uniform",
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
        squared = ops.sum(ops.square(direction), axis=(0, 1, 2))
        kernel = direction * (self.gain * ops.rsqrt(squared + 1e-12))
        if self.kernel_size == 1:
            return ops.matmul(inputs, kernel[0, 0]) + self.bias
        return ops.conv(inputs, kernel, padding="same") + self.bias

    def get_config(self):
        return {
            **super().get_config(),
            "filters": self.filters,
            "kernel_size": self.kernel_size,
            "gain": self.initial_gain,
        }
