"""The networks of BiGAN (Donahue et al. 2017): a generator, an encoder, and a discriminator of pairs."""

import math
from collections.abc import Sequence

from keras import Input, KerasTensor, Model, layers

from gm_keras.layers.dense import Dense
from gm_keras.networks.dcgan import batch_normalization, dcgan_features, normal


def hidden_layers(hidden: KerasTensor, units: Sequence[int], slope: float) -> KerasTensor:
    """Dense layers with a leaky ReLU; all but the first one are normalized over the batch.

    Args:
        hidden: Symbolic, `(batch, features)`.
        units: Their widths.
        slope: Of the activation below 0.
    """
    for index, width in enumerate(units):
        hidden = Dense(width, use_bias=index == 0)(hidden)
        if index > 0:
            hidden = batch_normalization()(hidden)
        hidden = layers.LeakyReLU(negative_slope=slope)(hidden)
    return hidden


def dense_generator(
    latent_dim: int, data_shape: Sequence[int], units: Sequence[int], *, name: str
) -> Model:
    """Builds a generator from `(batch, latent_dim)` to `(batch, *data_shape)`; images get a tanh."""
    inputs = Input((latent_dim,), name="inputs")
    activation = "tanh" if len(data_shape) == 3 else None
    hidden = hidden_layers(inputs, units, 0.0)
    outputs = Dense(math.prod(data_shape), activation=activation)(hidden)
    return Model(inputs, layers.Reshape(data_shape, name="outputs")(outputs), name=name)


def dense_encoder(
    data_shape: Sequence[int], latent_dim: int, units: Sequence[int], *, name: str
) -> Model:
    """Builds an encoder from `(batch, *data_shape)` to `(batch, latent_dim)`."""
    inputs = Input(data_shape, name="inputs")
    hidden = hidden_layers(layers.Flatten()(inputs), units, 0.2)
    return Model(inputs, Dense(latent_dim, name="outputs")(hidden), name=name)


def dense_pair_discriminator(
    data_shape: Sequence[int], latent_dim: int, units: Sequence[int], *, name: str
) -> Model:
    """Builds a discriminator from `[example, latents]`, side by side, to logits `(batch, 1)`."""
    inputs = Input(data_shape, name="inputs")
    latents = Input((latent_dim,), name="latents")
    both = layers.Concatenate()([layers.Flatten()(inputs), latents])
    hidden = hidden_layers(both, units, 0.2)
    return Model([inputs, latents], Dense(1, name="outputs")(hidden), name=name)


def convolutional_encoder(
    image_shape: Sequence[int], latent_dim: int, filters: int, stages: int | None, *, name: str
) -> Model:
    """Builds an encoder with the hidden layers of DCGAN's discriminator; arguments as there."""
    inputs = Input(image_shape, name="inputs")
    hidden = dcgan_features(inputs, filters, stages)
    outputs = Dense(latent_dim, kernel_initializer=normal(), name="outputs")(hidden)
    return Model(inputs, outputs, name=name)


def convolutional_pair_discriminator(
    image_shape: Sequence[int],
    latent_dim: int,
    filters: int,
    stages: int | None,
    units: int,
    *,
    name: str,
) -> Model:
    """Builds a discriminator from `[image, latents]` to logits `(batch, 1)`.

    The image goes through the hidden layers of DCGAN's discriminator, the latents through a dense layer; another one
    of `units` sees both.
    """
    inputs = Input(image_shape, name="inputs")
    latents = Input((latent_dim,), name="latents")
    of_image = dcgan_features(inputs, filters, stages)
    of_latents = hidden_layers(latents, (units,), 0.2)
    both = layers.Concatenate()([of_image, of_latents])
    hidden = hidden_layers(both, (units,), 0.2)
    return Model([inputs, latents], Dense(1, name="outputs")(hidden), name=name)
