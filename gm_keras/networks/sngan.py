"""The standard convolutional networks of SNGAN (Miyato et al. 2018, arXiv 1802.05957, table 3)."""

from collections.abc import Sequence

from keras import Input, Model, layers

from gm_keras.layers.convolution import Conv2D, Conv2DTranspose
from gm_keras.layers.dense import Dense
from gm_keras.layers.initializers import HostNormal
from gm_keras.networks.residual_gan import (
    base_size,
    check_halvings,
    normalized,
    one_hot_label,
    projected_scores,
    spectrally_normalized,
)


def _normal() -> HostNormal:
    # A new one for each layer: one initializer gives the same numbers each time.
    return HostNormal(0.02)


def standard_generator(
    latent_dim: int,
    image_shape: Sequence[int],
    filters: Sequence[int],
    *,
    num_classes: int | None = None,
    name: str,
) -> Model:
    """Builds the standard generator: a projection of the latents, then transposed convolutions that double the image.

    Args:
        latent_dim: Width of the latents.
        image_shape: (height, width, channels).
        filters: Of each transposed convolution, from the smallest image to the largest; the projection has twice as
            many as the first.
        num_classes: With it, the network takes `[latents, label]`, and batch normalization is conditional.
        name: Of the model.

    Returns:
        A built model from `(batch, latent_dim)` to `(batch, height, width, channels)` in [-1, 1].

    Raises:
        ValueError: If the image cannot be halved as often as there are filters.
    """
    height, width = base_size(image_shape, filters)
    latents = Input((latent_dim,), name="inputs")
    label, one_hot = one_hot_label(num_classes)
    widest = 2 * filters[0]
    hidden = Dense(height * width * widest, kernel_initializer=_normal())(latents)
    hidden = layers.Reshape((height, width, widest))(hidden)
    for features in filters:
        layer = Conv2DTranspose(
            features, 4, 2, padding="same", use_bias=False, kernel_initializer=_normal()
        )
        hidden = normalized(layer(hidden), one_hot)
    hidden = Conv2D(image_shape[-1], 3, padding="same", kernel_initializer=_normal())(hidden)
    outputs = layers.Activation("tanh", name="outputs")(hidden)
    return Model([latents, label] if num_classes else latents, outputs, name=name)


def standard_discriminator(
    image_shape: Sequence[int],
    filters: Sequence[int],
    halvings: int,
    *,
    num_classes: int | None = None,
    name: str,
) -> Model:
    """Builds the standard discriminator: convolutions with spectral normalization, and no other.

    Args:
        image_shape: (height, width, channels).
        filters: Of each 3 x 3 convolution.
        halvings: After so many of the first ones a 4 x 4 convolution halves the image.
        num_classes: With it, the network takes `[image, label]` and projects its features on a vector of the class.
        name: Of the model.

    Returns:
        A built model from `(batch, height, width, channels)` to scores `(batch, 1)`.

    Raises:
        ValueError: If the image cannot be halved so often.
    """
    check_halvings(image_shape, filters, halvings)
    hidden = image = Input(image_shape, name="inputs")
    for index, features in enumerate(filters):
        for size, stride in ((3, 1), (4, 2)) if index < halvings else ((3, 1),):
            layer = Conv2D(features, size, stride, padding="same", kernel_initializer=_normal())
            hidden = layers.LeakyReLU(negative_slope=0.1)(spectrally_normalized(layer)(hidden))
    outputs, label = projected_scores(layers.Flatten()(hidden), num_classes, _normal)
    return Model([image, label] if num_classes else image, outputs, name=name)
