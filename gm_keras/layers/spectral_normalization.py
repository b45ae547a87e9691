"""Spectral normalization (Miyato, Kataoka, Koyama & Yoshida 2018, arXiv 1802.05957)."""

from typing import Any

import keras
from keras import ops

from gm_keras.layers.initializers import HostNormal


@keras.saving.register_keras_serializable("gm_keras")
class SpectralNormalization(keras.layers.Wrapper):
    """A layer whose kernel is divided by its largest singular value.

    The kernel is taken as a matrix W of all inputs `(height * width * channels)` times the outputs. Each use makes one
    power iteration from the right singular vector `u` that the last use in training left: v = W u, u = W^T v, both of
    length 1, and sigma = v^T W u, through which the gradient flows while u and v are held fixed. In training the new u
    is kept, in inference it is not. The kernel itself is never assigned.

    Keras' own wrapper assigns the normalized kernel before each use, so that TensorFlow and JAX train differently.

    Args:
        layer: A `Dense`, a convolution that is not transposed, or an `Embedding` of `gm_keras.layers`.
    """

    def __init__(self, layer: keras.layers.Layer, **options: Any):
        super().__init__(layer, **options)
        if not hasattr(layer, "with_kernel"):
            raise ValueError(
                f"layer must be one of gm_keras.layers with a kernel, not a {type(layer).__name__}"
            )

    def build(self, input_shape=None):
        super().build(input_shape)
        self.u = self.add_weight(
            shape=(self.layer.kernel.shape[-1],),
            initializer=HostNormal(1.0),
            trainable=False,
            autocast=False,
            name="u",
        )

    def call(self, inputs, training=False):
        """The layer's own call, with the normalized kernel."""
        return self.layer.with_kernel(inputs, self.normalized_kernel(training))

    def normalized_kernel(self, training: bool = False) -> Any:
        """The kernel divided by its largest singular value, in its own shape; in training `u` moves on."""
        kernel = ops.convert_to_tensor(self.layer.kernel)
        matrix = ops.reshape(ops.cast(kernel, "float32"), (-1, kernel.shape[-1]))
        fixed = ops.stop_gradient(matrix)
        v = _unit(ops.matmul(fixed, ops.reshape(self.u, (-1, 1))))
        u = _unit(ops.matmul(ops.transpose(fixed), v))
        sigma = ops.sum(v * ops.matmul(matrix, u))
        kernel = kernel / ops.cast(ops.maximum(sigma, 1e-12), kernel.dtype)
        if training:
            self.u.assign(ops.reshape(u, (-1,)))
        return kernel

    def compute_output_shape(self, input_shape):
        return self.layer.compute_output_shape(input_shape)


def _unit(vector):
    return vector / ops.maximum(ops.sqrt(ops.sum(ops.square(vector))), 1e-12)
