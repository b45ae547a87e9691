"""Minibatch standard deviation (Karras et al. 2018, arXiv 1710.10196, section 3)."""

import keras
from keras import ops


@keras.saving.register_keras_serializable("gm_keras")
class MinibatchDeviation(keras.layers.Layer):
    """Adds a channel that tells how much the examples of a batch differ.

    The standard deviation over the batch is taken of each feature at each place; its mean over all of them is
    one number, which fills the new channel. A critic with it sees when a generator makes but a few images.

    Args:
        epsilon: Added to the variances: the derivative of a root at 0 is infinite.
    """

    def __init__(self, epsilon=1e-8, **options):
        super().__init__(**options)
        self.epsilon = epsilon

    def call(self, inputs):
        """Maps `(batch, height, width, channels)` to `(batch, height, width, channels + 1)`."""
        x = ops.cast(inputs, "float32")
        # Not ops.var: its second derivative, for the gradient penalty, is not right on every backend.
        variances = ops.mean(ops.square(x - ops.mean(x, axis=0, keepdims=True)), axis=0)
        deviation = ops.mean(ops.sqrt(variances + self.epsilon))
        channel = ops.ones_like(inputs[..., :1]) * ops.cast(deviation, self.compute_dtype)
        return ops.concatenate([inputs, channel], axis=-1)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], input_shape[-1] + 1)

    def get_config(self):
        return {**super().get_config(), "epsilon": self.epsilon}
