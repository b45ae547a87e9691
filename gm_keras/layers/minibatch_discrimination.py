"""Minibatch discrimination (Salimans et al. 2016, arXiv 1606.03498, section 3.2)."""

import keras
from keras import ops

from gm_keras.ops.projection import project


@keras.saving.register_keras_serializable("gm_keras")
class MinibatchDiscrimination(keras.layers.Layer):
    """Adds features that tell how close an example is to the others of its batch.

    Each of `kernels` matrices maps the features of an example to `dim` numbers; two examples are as close as
    exp(-L1 distance of those), and a new feature is the sum of that over the batch, the example itself included. A
    discriminator with it sees when a generator makes but a few examples.

    Args:
        kernels: How many features are added (B in the paper).
        dim: Of the space of each kernel (C in the paper).
        kernel_initializer: Of the matrices (T in the paper).
    """

    def __init__(self, kernels, dim, kernel_initializer="glorot_uniform", **options):
        super().__init__(**options)
        self.kernels = kernels
        self.dim = dim
        self.kernel_initializer = keras.initializers.get(kernel_initializer)

    def build(self, input_shape):
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.kernels * self.dim),
            initializer=self.kernel_initializer,
            name="kernel",
        )

    def call(self, inputs):
        """Maps `(batch, features)` to `(batch, features + kernels)`."""
        mapped = ops.cast(project(inputs, self.kernel), "float32")
        mapped = ops.reshape(mapped, (-1, self.kernels, self.dim))
        distances = ops.sum(ops.abs(mapped[:, None] - mapped[None]), axis=-1)
        closeness = ops.sum(ops.exp(-distances), axis=1)
        return ops.concatenate([inputs, ops.cast(closeness, inputs.dtype)], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + self.kernels)

    def get_config(self):
        initializer = keras.initializers.serialize(self.kernel_initializer)
        return {
            **super().get_config(),
            "kernels": self.kernels,
            "dim": self.dim,
            "kernel_initializer": initializer,
        }
