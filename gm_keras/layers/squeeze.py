"""Space to depth, invertibly."""

import keras
from keras import ops

from gm_keras.layers.bijector import Bijector


@keras.saving.register_keras_serializable("gm_keras")
class Squeeze(Bijector):
    """Turns each 2 x 2 square of pixels into four times the channels: (h, w, c) -> (h/2, w/2, 4c).

    The pixels of one diagonal come first, then those of the other: halves of the channels then are the
    two colours of a checkerboard, as in the original RealNVP code.
    """

    def output_shape_of(self, shape, inverse):
        batch, height, width, channels = shape
        if inverse:
            return batch, 2 * height, 2 * width, channels // 4
        return batch, height // 2, width // 2, 4 * channels

    def forward(self, inputs, training):
        corners = [
            inputs[:, row::2, column::2, :] for row, column in ((0, 0), (1, 1), (0, 1), (1, 0))
        ]
        return ops.concatenate(corners, axis=-1), _zeros(inputs)

    def backward(self, inputs):
        height, width, channels = inputs.shape[1:]
        top_left, bottom_right, top_right, bottom_left = ops.split(inputs, 4, axis=-1)
        rows = [
            ops.reshape(ops.stack(pair, axis=3), (-1, height, 2 * width, channels // 4))
            for pair in ((top_left, top_right), (bottom_left, bottom_right))
        ]
        image = ops.reshape(ops.stack(rows, axis=2), (-1, 2 * height, 2 * width, channels // 4))
        return image, _zeros(inputs)


def _zeros(inputs):
    return ops.zeros_like(inputs[:, 0, 0, 0])
