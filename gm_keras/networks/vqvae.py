"""The networks of the VQ-VAE paper: strided convolutions and residual blocks."""

from collections.abc import Sequence

from keras import Input, Model, layers

from gm_keras.layers.convolution import Conv2D, Conv2DTranspose
from gm_keras.layers.initializers import HostGlorotUniform


def _convolution(filters: int, size: int, stride: int = 1, **options):
    return Conv2D(
        filters, size, stride, padding="same", kernel_initializer=HostGlorotUniform(), **options
    )


def _residual(hidden, filters: int, blocks: int):
    """Blocks of ReLU, 3 x 3 convolution, ReLU, 1 x 1 convolution, each added to its input."""
    for _ in range(blocks):
        change = _convolution(filters, 3)(layers.ReLU()(hidden))
        change = _convolution(filters, 1)(layers.ReLU()(change))
        hidden = layers.Add()([hidden, change])
    return layers.ReLU()(hidden)


def code_shape(image_shape: Sequence[int], halvings: int) -> tuple[int, int]:
    """The height and width of the grid of codes of an image that is halved so often.

    Raises:
        ValueError: If height or width cannot be halved so often without a rest.
    """
    height, width = image_shape[:2]
    if height % 2**halvings or width % 2**halvings:
        raise ValueError(
            f"halvings must fit the images: {height} x {width} cannot be halved {halvings} times"
        )
    return height >> halvings, width >> halvings


def vqvae_encoder(
    image_shape: Sequence[int],
    code_dim: int,
    filters: int,
    halvings: int,
    blocks: int,
    *,
    name: str,
) -> Model:
    """Builds the encoder: convolutions of 4 x 4 with stride 2, residual blocks, a 1 x 1 convolution.

    Args:
        image_shape: (height, width, channels).
        code_dim: Length of the vectors that are to be quantized.
        filters: Channels of all hidden layers.
        halvings: Number of strided convolutions.
        blocks: Number of residual blocks.
        name: Of the model.

    Returns:
        A built model from `(batch, height, width, channels)` to
        `(batch, height / 2**halvings, width / 2**halvings, code_dim)`.
    """
    code_shape(image_shape, halvings)
    inputs = Input(image_shape, name="inputs")
    hidden = inputs
    for _ in range(halvings):
        hidden = _convolution(filters, 4, 2, activation="relu")(hidden)
    hidden = _residual(_convolution(filters, 3)(hidden), filters, blocks)
    return Model(inputs, _convolution(code_dim, 1, name="outputs")(hidden), name=name)


def vqvae_decoder(
    image_shape: Sequence[int],
    code_dim: int,
    filters: int,
    halvings: int,
    blocks: int,
    *,
    name: str,
) -> Model:
    """Builds the mirror image of `vqvae_encoder`, with transposed convolutions of 4 x 4 and stride 2.

    Args:
        image_shape: (height, width, channels) of the image.
        code_dim: Length of the code vectors.
        filters: Channels of all hidden layers.
        halvings: Number of transposed convolutions.
        blocks: Number of residual blocks.
        name: Of the model.

    Returns:
        A built model from `(batch, height / 2**halvings, width / 2**halvings, code_dim)` to
        `(batch, height, width, channels)`, linear.
    """
    inputs = Input((*code_shape(image_shape, halvings), code_dim), name="inputs")
    hidden = _residual(_convolution(filters, 3)(inputs), filters, blocks)
    for index in range(halvings):
        last = index == halvings - 1
        hidden = Conv2DTranspose(
            image_shape[-1] if last else filters,
            4,
            2,
            padding="same",
            activation=None if last else "relu",
            kernel_initializer=HostGlorotUniform(),
            name="outputs" if last else None,
        )(hidden)
    return Model(inputs, hidden, name=name)
