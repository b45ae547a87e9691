"""The networks of InfoGAN (Chen et al. 2016), which says besides what a sample was made of."""

from collections.abc import Sequence

from keras import Input, KerasTensor, Model, layers

from gm_keras.layers.categorical_codes import CategoricalCodes
from gm_keras.layers.dense import Dense
from gm_keras.networks.dcgan import batch_normalization, dcgan_features, dcgan_generator, normal


def coded_generator(
    latent_dim: int,
    codes: int,
    classes: int,
    image_shape: Sequence[int],
    filters: int,
    stages: int | None,
    units: int,
    *,
    name: str,
) -> Model:
    """Builds a generator of DCGAN behind a dense layer, whose first latents are classes.

    Args:
        latent_dim: Width of the latents.
        codes: How many of them, the first ones, are classes.
        classes: Of each.
        image_shape: (height, width, channels).
        filters: Of the last hidden layer.
        stages: Doublings; see `stages_for`.
        units: Of the dense layer.
        name: Of the model.

    Returns:
        A built model from `(batch, latent_dim)`, uniform in [-1, 1], to images in [-1, 1].
    """
    inputs = Input((latent_dim,), name="inputs")
    hidden = CategoricalCodes(codes, classes)(inputs)
    hidden = Dense(units, use_bias=False, kernel_initializer=normal())(hidden)
    hidden = layers.ReLU()(batch_normalization()(hidden))
    network = dcgan_generator(units, image_shape, filters, stages, name="network")
    return Model(inputs, network(hidden), name=name)


def recognizing_discriminator(
    image_shape: Sequence[int],
    filters: int,
    stages: int | None,
    units: int,
    code_units: int,
    parameters: int,
    *,
    name: str,
) -> Model:
    """Builds a discriminator of DCGAN and Q, which share all layers but their last ones.

    Args:
        image_shape: (height, width, channels).
        filters: Of the first layer.
        stages: Halvings; see `stages_for`.
        units: Of the dense layer after the convolutions, which both share.
        code_units: Of the hidden layer that is Q's own.
        parameters: How many numbers Q gives.
        name: Of the model.

    Returns:
        A built model from images to `[logits (batch, 1), parameters of Q (batch, parameters)]`.
    """
    inputs = Input(image_shape, name="inputs")
    shared = _hidden(dcgan_features(inputs, filters, stages), units)
    logits = Dense(1, kernel_initializer=normal(), name="outputs")(shared)
    hidden = _hidden(shared, code_units)
    recognized = Dense(parameters, kernel_initializer=normal(), name="codes")(hidden)
    return Model(inputs, [logits, recognized], name=name)


def _hidden(features: KerasTensor, units: int) -> KerasTensor:
    """A normalized dense layer of a discriminator."""
    hidden = Dense(units, use_bias=False, kernel_initializer=normal())(features)
    return layers.LeakyReLU(negative_slope=0.2)(batch_normalization()(hidden))
