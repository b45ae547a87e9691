"""The gradual change from one branch of a network to another."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("gm_keras")
class FadeIn(keras.layers.Layer):
    """Mixes two tensors, `(1 - alpha) old + alpha new`: exactly one of them where alpha is 0 or 1."""

    def call(self, inputs):
        """Mixes `[old, new, alpha]`: two tensors `(batch, ...)` of one shape, and alpha in [0, 1], `(batch,)`."""
        old, new, alpha = inputs
        alpha = ops.reshape(alpha, (-1, *[1] * (len(new.shape) - 1)))
        return (1.0 - alpha) * old + alpha * new

    def compute_output_shape(self, input_shape):
        return input_shape[1]
