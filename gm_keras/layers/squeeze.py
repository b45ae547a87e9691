"""Space to depth, invertibly."""

import keras
from keras import ops

from gm_keras.layers.bijector import Bijector


@keras.saving.register_keras_serializable("gm_keras")
class Squeeze(Bijector):
    """Turns each 2 x 2 square of pixels into four times the channels: (h, w, c) -> (h / 2, w / 2, 4 c).

    The pixels of one diagonal come first, then those of the other, so that the two halves of the channels
    are the two colours of a checkerboard. Height and width must be even.
    """

    def output_shape_of(self, shape, inverse):
        batch, height, width, channels = shape
        if inverse:
            return batch, 2 * height, 2 * width, channels // 4
        return batch, height // 2, width // 2, 4 * channels

    def transform(self, inputs, training):
        corners = ((0, 0), (1, 1), (0, 1), (1, 0))
        parts = [inputs[:, row::2, column::2, :] for row, column in corners]
        return ops.concatenate(parts, axis=-1), ops.zeros_like(inputs[:, 0, 0, 0])

    def invert(self, inputs):
        _, height, width, channels = self.output_shape_of(tuple(inputs.shape), inverse=True)
        top_left, bottom_right, top_right, bottom_left = ops.split(inputs, 4, axis=-1)
        rows = [
            ops.reshape(ops.stack(pair, axis=3), (-1, height // 2, width, channels))
            for pair in ((top_left, top_right), (bottom_left, bottom_right))
        ]
        outputs = ops.reshape(ops.stack(rows, axis=2), (-1, height, width, channels))
        return outputs, ops.zeros_like(inputs[:, 0, 0, 0])
