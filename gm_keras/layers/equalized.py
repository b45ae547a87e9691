"""Layers with an equalized learning rate (Karras et al. 2018, arXiv 1710.10196, section 4.1)."""

import math
import random

import keras
import numpy as np
from keras import ops

from gm_keras.ops.convolution import convolve
from gm_keras.ops.projection import add_bias, project

SQRT_2 = math.sqrt(2.0)


def unit_normal(shape, dtype=None):
    """Weights from N(0, 1), drawn with NumPy: no compilation on JAX; follows `keras.utils.set_random_seed`."""
    generator = np.random.default_rng(random.randint(1, 10**9))
    return ops.convert_to_tensor(generator.normal(size=shape).astype("float32"), dtype=dtype)


class _Equalized(keras.layers.Layer):
    """Holds a kernel from N(0, 1), and multiplies it by gain / sqrt(fan in) in each call.

    Adam changes every weight by about the learning rate whatever its scale; here all weights have one scale, and
    so learn equally fast.
    """

    def __init__(self, gain=SQRT_2, **options):
        super().__init__(**options)
        self.gain = gain

    def _add_weights(self, shape):
        self.scale = self.gain / math.sqrt(math.prod(shape[:-1]))
        self.kernel = self.add_weight(shape=shape, initializer=unit_normal, name="kernel")
        self.bias = self.add_weight(shape=shape[-1:], initializer="zeros", name="bias")

    def get_config(self):
        return {**super().get_config(), "gain": self.gain}


@keras.saving.register_keras_serializable("gm_keras")
class EqualizedDense(_Equalized):
    """A dense layer with an equalized learning rate.

    Args:
        units: Width of the output.
        gain: The standard deviation of the outputs for inputs of variance 1; sqrt(2) is He's constant, for
            layers before a (leaky) rectifier.
    """

    def __init__(self, units, gain=SQRT_2, **options):
        super().__init__(gain, **options)
        self.units = units

    def build(self, input_shape):
        self._add_weights((input_shape[-1], self.units))
        self.built = True

    def call(self, inputs):
        return add_bias(project(inputs, self.kernel * self.scale), self.bias)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.units)

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@keras.saving.register_keras_serializable("gm_keras")
class EqualizedConv2D(_Equalized):
    """A convolution, stride 1 and the size kept, with an equalized learning rate.

    Args:
        filters: Number of output channels.
        kernel_size: Height and width of the kernel, in pixels.
        gain: As in `EqualizedDense`.
    """

    def __init__(self, filters, kernel_size=3, gain=SQRT_2, **options):
        super().__init__(gain, **options)
        self.filters = filters
        self.kernel_size = kernel_size

    def build(self, input_shape):
        self._add_weights((self.kernel_size, self.kernel_size, input_shape[-1], self.filters))
        self.built = True

    def call(self, inputs):
        kernel = self.kernel * self.scale
        if self.kernel_size == 1:
            return add_bias(project(inputs, kernel[0, 0]), self.bias)
        return add_bias(convolve(inputs, kernel), self.bias)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], self.filters)

    def get_config(self):
        return {**super().get_config(), "filters": self.filters, "kernel_size": self.kernel_size}
