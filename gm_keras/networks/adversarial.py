"""Networks of generative adversarial networks for images or vectors, where the game and not the network is new."""

import math
from collections.abc import Sequence

from keras import Input, Model, layers

from gm_keras.layers.dense import Dense
from gm_keras.layers.maxout import Maxout
from gm_keras.networks.dcgan import dcgan_discriminator, dcgan_generator
from gm_keras.networks.dense import dense


def generator_and_critic(
    data_shape: Sequence[int],
    latent_dim: int,
    *,
    filters: int,
    stages: int | None,
    units: Sequence[int],
    normalization: str | None,
    critic_name: str,
) -> tuple[Model, Model]:
    """Builds the networks of DCGAN for images, and dense ones of ReLU units for vectors.

    Args:
        data_shape: Of one example.
        latent_dim: Width of the latents.
        filters: Images: as in `networks.dcgan`.
        stages: Images: as in `networks.dcgan`.
        units: Vectors: widths of the hidden layers of both networks.
        normalization: Images: of the critic, "batch", "layer" or None.
        critic_name: Of the second model.

    Returns:
        The generator, from `(batch, latent_dim)` to `(batch, *data_shape)`, and the critic, from there to `(batch, 1)`.
    """
    if len(data_shape) == 3:
        return (
            dcgan_generator(latent_dim, data_shape, filters, stages, name="generator"),
            dcgan_discriminator(
                data_shape, filters, stages, normalization=normalization, name=critic_name
            ),
        )
    return (
        dense((latent_dim,), units, data_shape[0], name="generator"),
        dense(data_shape, units, 1, name=critic_name),
    )


def dense_generator(
    latent_dim: int, data_shape: Sequence[int], units: Sequence[int], *, name: str
) -> Model:
    """Builds a generator of ReLU units.

    Args:
        latent_dim: Width of the latents.
        data_shape: Of one example: an image, which gets a tanh, or a vector.
        units: Widths of the hidden layers.
        name: Of the model.

    Returns:
        A built model from `(batch, latent_dim)` to `(batch, *data_shape)`.
    """
    hidden = inputs = Input((latent_dim,), name="inputs")
    for width in units:
        hidden = Dense(width, activation="relu")(hidden)
    activation = "tanh" if len(data_shape) == 3 else None
    hidden = Dense(math.prod(data_shape), activation=activation)(hidden)
    return Model(inputs, layers.Reshape(data_shape, name="outputs")(hidden), name=name)


def dense_discriminator(
    data_shape: Sequence[int],
    units: Sequence[int],
    *,
    pieces: int | None,
    input_dropout: float,
    dropout: float,
    name: str,
) -> Model:
    """Builds a discriminator of maxout or ReLU units, with dropout of all that a layer gets.

    Args:
        data_shape: Of one example; images are flattened.
        units: Widths of the hidden layers.
        pieces: Of each maxout unit; None for ReLU units.
        input_dropout: Rate for the example.
        dropout: Rate for what hidden layers give.
        name: Of the model.

    Returns:
        A built model from `(batch, *data_shape)` to logits `(batch, 1)`.
    """
    inputs = Input(data_shape, name="inputs")
    # In float32, so that the same units are dropped in every precision.
    hidden = layers.Dropout(input_dropout, dtype="float32")(layers.Flatten()(inputs))
    for width in units:
        layer = Maxout(width, pieces) if pieces else Dense(width, activation="relu")
        hidden = layers.Dropout(dropout, dtype="float32")(layer(hidden))
    return Model(inputs, Dense(1, name="outputs")(hidden), name=name)
