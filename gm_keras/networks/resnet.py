"""Residual convolutional networks that keep the size of the image."""

from collections.abc import Sequence

from keras import Input, Model, layers

from gm_keras.layers.initializers import HostGlorotUniform
from gm_keras.layers.weight_normalization import WeightNormConv2D


def residual(
    input_shape: Sequence[int],
    filters: int,
    blocks: int,
    output_channels: int,
    *,
    dropout: float = 0.0,
    name: str,
) -> Model:
    """Builds a residual network with weight normalization, as in the couplings of RealNVP.

    Args:
        input_shape: (height, width, channels).
        filters: Channels inside.
        blocks: Number of residual blocks, each of a 3 x 3 and a 1 x 1 convolution.
        output_channels: Channels of the output, which is linear and starts at zero.
        dropout: Fraction of the channels' values dropped in each block in training.
        name: Of the model.

    Returns:
        A built model from `(batch, height, width, channels)` to `(batch, height, width, output_channels)`.
    """

    def convolution(width, **options):
        return WeightNormConv2D(width, direction_initializer=HostGlorotUniform(), **options)

    inputs = Input(input_shape, name="inputs")
    hidden = convolution(filters)(inputs)
    for _ in range(blocks):
        change = layers.Activation("relu")(hidden)
        change = convolution(filters, gain=2.0**0.5)(change)
        change = layers.Activation("relu")(change)
        if dropout:
            change = layers.Dropout(dropout)(change)
        change = convolution(filters, kernel_size=1)(change)
        hidden = layers.Add()([hidden, change])
    hidden = layers.Activation("relu")(hidden)
    outputs = convolution(output_channels, kernel_size=1, gain=0.0, name="outputs")(hidden)
    return Model(inputs, outputs, name=name)
