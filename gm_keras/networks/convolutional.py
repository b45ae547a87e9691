"""Strided convolutional encoders and their mirror image."""

from collections.abc import Sequence

from keras import Input, Model, layers

from gm_keras.layers.convolution import Conv2D, Conv2DTranspose
from gm_keras.layers.dense import Dense
from gm_keras.networks.conditioning import with_label
from gm_keras.types import WIDEST


def halvings(size: int, most: int) -> int:
    """How often `size` can be halved without a rest, `most` at the most."""
    count = 0
    while count < most and size % 2 == 0 and size > 2:
        size, count = size // 2, count + 1
    return count


def check_widest(argument: str, features: int) -> None:
    """Refuses a network whose widest convolution would fill the memory.

    Args:
        argument: What decides the width; the message begins with it.
        features: Of the widest layer.

    Raises:
        ValueError: If there are more than `gm_keras.types.WIDEST`.
    """
    if features > WIDEST:
        raise ValueError(
            f"{argument} must leave the widest layer at most {WIDEST} features, not {features}"
        )


def convolutional_encoder(
    image_shape: Sequence[int],
    filters: Sequence[int],
    dense_units: int,
    output_units: int,
    *,
    num_classes: int | None = None,
    name: str,
) -> Model:
    """Builds a convolutional encoder; each stage halves the image as long as its size is even.

    Args:
        image_shape: (height, width, channels).
        filters: Of each stage.
        dense_units: Of the layer after the convolutions.
        output_units: Of the linear output.
        num_classes: With it, the network takes `[image, label]`.
        name: Of the model.

    Returns:
        A built model from `(batch, height, width, channels)` to `(batch, output_units)`.
    """
    stages = min(halvings(image_shape[0], len(filters)), halvings(image_shape[1], len(filters)))
    inputs = Input(image_shape, name="inputs")
    hidden = inputs
    for index, width in enumerate(filters):
        stride = 2 if index < stages else 1
        hidden = Conv2D(width, 3, stride, padding="same", activation="relu")(hidden)
    hidden, all_inputs = with_label(inputs, layers.Flatten()(hidden), num_classes)
    hidden = Dense(dense_units, activation="relu")(hidden)
    return Model(all_inputs, Dense(output_units, name="outputs")(hidden), name=name)


def convolutional_decoder(
    input_units: int,
    filters: Sequence[int],
    dense_units: int,
    image_shape: Sequence[int],
    output_channels: int,
    *,
    num_classes: int | None = None,
    name: str,
) -> Model:
    """Builds the mirror image of `convolutional_encoder`, with transposed convolutions.

    Args:
        input_units: The width of the latent vector.
        filters: Those of the encoder; used in reverse.
        dense_units: Of the first layer.
        image_shape: (height, width, channels) of the image.
        output_channels: Channels of the linear output.
        num_classes: With it, the network takes `[latents, label]`.
        name: Of the model.

    Returns:
        A built model from `(batch, input_units)` to `(batch, height, width, output_channels)`.
    """
    stages = min(halvings(image_shape[0], len(filters)), halvings(image_shape[1], len(filters)))
    height, width = image_shape[0] >> stages, image_shape[1] >> stages
    inputs = Input((input_units,), name="inputs")
    hidden, all_inputs = with_label(inputs, inputs, num_classes)
    hidden = Dense(dense_units, activation="relu")(hidden)
    hidden = Dense(height * width * filters[-1], activation="relu")(hidden)
    hidden = layers.Reshape((height, width, filters[-1]))(hidden)
    for index in reversed(range(len(filters))):
        stride = 2 if index < stages else 1
        hidden = Conv2DTranspose(
            filters[max(index - 1, 0)], 3, stride, padding="same", activation="relu"
        )(hidden)
    outputs = Conv2D(output_channels, 3, padding="same", name="outputs")(hidden)
    return Model(all_inputs, outputs, name=name)
