"""Pixelwise feature vector normalization (Karras et al. 2018, arXiv 1710.10196, section 4.2)."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("gm_keras")
class PixelNormalization(keras.layers.Layer):
    """Divides the channels of each pixel by the root of their mean square; nothing is learned.

    Of a vector it keeps the direction: normal latents come to lie on the hypersphere of radius sqrt(width).

    Args:
        epsilon: Added to the mean square.
    """

    def __init__(self, epsilon=1e-8, **options):
        super().__init__(**options)
        self.epsilon = epsilon

    def call(self, inputs):
        """Normalizes `(batch, ..., channels)` over the last axis."""
        # In bfloat16 the squares would lose what the epsilon is for.
        x = ops.cast(inputs, "float32")
        x = x * ops.rsqrt(ops.mean(ops.square(x), axis=-1, keepdims=True) + self.epsilon)
        return ops.cast(x, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
