"""The discriminator of improved GANs (Salimans et al. 2016)."""

from collections.abc import Sequence

from keras import Input, Model

from gm_keras.layers.dense import Dense
from gm_keras.layers.minibatch_discrimination import MinibatchDiscrimination
from gm_keras.networks.dcgan import dcgan_features, normal


def improved_discriminator(
    image_shape: Sequence[int],
    filters: int,
    stages: int | None,
    outputs: int,
    kernels: int,
    kernel_dim: int,
    *,
    name: str,
) -> Model:
    """Builds a discriminator of DCGAN that gives its features besides.

    Args:
        image_shape: (height, width, channels).
        filters: Of the first layer.
        stages: Halvings; see `stages_for`.
        outputs: How many logits it gives.
        kernels: Features of minibatch discrimination before the last layer; 0 for none.
        kernel_dim: Of the space of each kernel.
        name: Of the model.

    Returns:
        A built model from images to `[logits (batch, outputs), features (batch, width)]`; the features are those of
        the last hidden layer, without those of minibatch discrimination.
    """
    inputs = Input(image_shape, name="inputs")
    hidden = features = dcgan_features(inputs, filters, stages)
    if kernels:
        hidden = MinibatchDiscrimination(kernels, kernel_dim, normal())(hidden)
    logits = Dense(outputs, kernel_initializer=normal(), name="outputs")(hidden)
    return Model(inputs, [logits, features], name=name)
