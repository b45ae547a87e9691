"""The strided convolutional generator and discriminator of DCGAN (Radford et al. 2016)."""

from collections.abc import Sequence

from keras import Input, KerasTensor, Model, initializers, layers

from gm_keras.layers.convolution import Conv2D, Conv2DTranspose
from gm_keras.layers.dense import Dense
from gm_keras.layers.normalization import GroupNormalization
from gm_keras.layers.virtual_batch_normalization import (
    VirtualBatchNormalization,
    WithoutReference,
    WithReference,
)
from gm_keras.networks.conditioning import with_label, with_label_maps
from gm_keras.networks.convolutional import check_widest

KERNEL = 4


def stages_for(image_shape: Sequence[int], stages: int | None = None) -> int:
    """How many times the networks halve an image.

    Args:
        image_shape: (height, width, channels).
        stages: A wish, checked; None halves until a side is odd or less than 8 (the paper ends with 4 x 4).

    Raises:
        ValueError: If a side cannot be halved so often.
    """
    sides = image_shape[:2]
    if stages is None:
        stages = 1
        while all(side >> stages >= 8 and side % 2 ** (stages + 1) == 0 for side in sides):
            stages += 1
        if any(side % 2 for side in sides):
            raise ValueError(
                f"image_shape must have an even height and width, not {sides[0]} x {sides[1]}: "
                "resize or pad the images"
            )
    if stages < 1 or any(side % 2**stages for side in sides):
        raise ValueError(
            f"stages must fit the images: {sides[0]} x {sides[1]} cannot be halved {stages} times"
        )
    return stages


def normal() -> initializers.Initializer:
    """The weights of DCGAN, N(0, 0.02); a new one for each layer, as one gives the same numbers each time."""
    return initializers.RandomNormal(stddev=0.02)


def batch_normalization(reference: int = 0) -> layers.Layer:
    """Batch normalization as DCGAN begins it; virtual where a reference batch goes first."""
    gamma = initializers.RandomNormal(mean=1.0, stddev=0.02)
    if reference:
        return VirtualBatchNormalization(reference, epsilon=1e-5, gamma_initializer=gamma)
    # Momentum 0.9: the moving averages, by which samples are drawn, must follow a quickly changing network.
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=gamma)


def dcgan_generator(
    latent_dim: int,
    image_shape: Sequence[int],
    filters: int,
    stages: int | None = None,
    *,
    num_classes: int | None = None,
    reference: int = 0,
    name: str,
) -> Model:
    """Builds a generator: a projection of the latents, then transposed convolutions that double the image.

    Args:
        latent_dim: Width of the latents.
        image_shape: (height, width, channels); the sides can be halved `stages` times.
        filters: Of the last hidden layer; each layer before it has twice as many as the next.
        stages: Doublings; see `stages_for`.
        num_classes: With it, the network takes `[latents, label]`, the label one-hot beside the latents.
        reference: With it, batch normalization is virtual, by a reference batch of so many latents, uniform in
            [-1, 1], which are drawn once.
        name: Of the model.

    Returns:
        A built model from `(batch, latent_dim)` to `(batch, height, width, channels)` in [-1, 1].
    """
    stages = stages_for(image_shape, stages)
    height, width, channels = image_shape
    widest = filters * 2 ** (stages - 1)
    check_widest("filters", widest)
    inputs = Input((latent_dim,), name="inputs")
    hidden, all_inputs = with_label(inputs, inputs, num_classes)
    if reference:
        hidden = WithReference(reference)(hidden)
    hidden = Dense(
        (height >> stages) * (width >> stages) * widest,
        use_bias=False,
        kernel_initializer=normal(),
    )(hidden)
    hidden = layers.Reshape((height >> stages, width >> stages, widest))(hidden)
    for stage in reversed(range(stages)):
        hidden = layers.ReLU()(batch_normalization(reference)(hidden))
        last = stage == 0
        hidden = Conv2DTranspose(
            channels if last else filters * 2 ** (stage - 1),
            KERNEL,
            2,
            padding="same",
            # Elsewhere the normalization would take a bias away again.
            use_bias=last,
            kernel_initializer=normal(),
        )(hidden)
    if reference:
        hidden = WithoutReference(reference)(hidden)
    return Model(all_inputs, layers.Activation("tanh", name="outputs")(hidden), name=name)


def dcgan_features(
    images: KerasTensor,
    filters: int,
    stages: int | None = None,
    normalization: str | None = "batch",
) -> KerasTensor:
    """The hidden layers of a discriminator, on which heads of any kind may stand.

    Args:
        images: Symbolic, `(batch, height, width, channels)`.
        filters: Of the first layer; each further one has twice as many.
        stages: Halvings; see `stages_for`.
        normalization: After every convolution but the first: "batch", "layer" (over height, width and
            channels, with a scale for each channel), or None.

    Returns:
        Flat features `(batch, width)`.
    """
    stages = stages_for(images.shape[1:], stages)
    check_widest("filters", filters * 2 ** (stages - 1))
    hidden = images
    for stage in range(stages):
        normalized = stage > 0 and normalization is not None
        hidden = Conv2D(
            filters * 2**stage,
            KERNEL,
            2,
            padding="same",
            use_bias=not normalized,
            kernel_initializer=normal(),
        )(hidden)
        if normalized:
            layer = GroupNormalization(1) if normalization == "layer" else batch_normalization()
            hidden = layer(hidden)
        hidden = layers.LeakyReLU(negative_slope=0.2)(hidden)
    return layers.Flatten()(hidden)


def dcgan_discriminator(
    image_shape: Sequence[int],
    filters: int,
    stages: int | None = None,
    *,
    normalization: str | None = "batch",
    num_classes: int | None = None,
    name: str,
) -> Model:
    """Builds a discriminator or critic: strided convolutions that halve the image, and a linear output.

    Args:
        image_shape: (height, width, channels).
        filters: Of the first layer; each further one has twice as many.
        stages: Halvings; see `stages_for`.
        normalization: See `dcgan_features`.
        num_classes: With it, the network takes `[image, label]`, the label as one more channel for each class.
        name: Of the model.

    Returns:
        A built model from `(batch, height, width, channels)` to logits `(batch, 1)`.
    """
    inputs = Input(image_shape, name="inputs")
    hidden, all_inputs = with_label_maps(inputs, inputs, num_classes)
    hidden = dcgan_features(hidden, filters, stages, normalization)
    outputs = Dense(1, kernel_initializer=normal(), name="outputs")(hidden)
    return Model(all_inputs, outputs, name=name)
