"""A vector for each example, added at every position."""

import keras
from keras import layers

from gm_keras.ops.positions import add_everywhere


@keras.saving.register_keras_serializable("gm_keras")
class AddEverywhere(layers.Layer):
    """Adds vectors, for example embeddings of a class or a time, to all positions of features."""

    def call(self, inputs):
        """Maps `[(batch, *size, channels), (batch, channels)]` to `(batch, *size, channels)`."""
        features, vectors = inputs
        return add_everywhere(features, vectors)

    def compute_output_shape(self, input_shape):
        return input_shape[0]
