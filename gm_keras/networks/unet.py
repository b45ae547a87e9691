"""Networks that see a noisy example and the time: the U-Net of diffusion models, and its flat relative."""

import itertools
from collections.abc import Callable, Sequence

from keras import Input, KerasTensor, Model, layers

from gm_keras.layers.attention import SpatialSelfAttention
from gm_keras.layers.convolution import Conv2D
from gm_keras.layers.dense import Dense
from gm_keras.layers.embedding import SinusoidalEmbedding
from gm_keras.layers.everywhere import AddEverywhere
from gm_keras.layers.initializers import HostGlorotUniform
from gm_keras.layers.normalization import GroupNormalization
from gm_keras.networks.convolutional import check_widest

GROUPS = 8


def unet(
    image_shape: Sequence[int],
    *,
    filters: int,
    multipliers: Sequence[int],
    blocks: int,
    attention: Sequence[int],
    dropout: float,
    timesteps: int,
    num_classes: int | None = None,
    name: str,
) -> Model:
    """Builds the U-Net of Ho et al. 2020 (arXiv 2006.11239, appendix B).

    Args:
        image_shape: (height, width, channels); the output has the same shape.
        filters: Channels at the full resolution; a multiple of 8.
        multipliers: Of the channels at each resolution; each after the first halves the image.
        blocks: Residual blocks at each resolution on the way down (one more on the way up).
        attention: Heights of feature maps at which each block is followed by self-attention; between the two
            ways there is always one.
        dropout: In each residual block.
        timesteps: The time runs from 1 to this.
        num_classes: With it the network takes a label from 0 to `num_classes`, the last of which means none.
        name: Of the model.

    Returns:
        A built model from `[image, time]` or `[image, time, label]`, the latter two int32 `(batch,)`.

    Raises:
        ValueError: If the image cannot be halved so often, `filters` is no multiple of 8, or a layer too wide.
    """
    factor = 2 ** (len(multipliers) - 1)
    if image_shape[0] % factor or image_shape[1] % factor:
        raise ValueError(
            f"multipliers must fit the images: {len(multipliers)} of them halve an image {len(multipliers) - 1} "
            f"times, so height and width must be multiples of {factor}, not {tuple(image_shape[:2])}"
        )
    if filters < GROUPS or filters % GROUPS:
        raise ValueError(f"filters must be a multiple of {GROUPS}, not {filters}")
    check_widest("multipliers", filters * max(multipliers))
    image = Input(image_shape, name="image")
    drop = _dropout(dropout)
    condition, inputs = _condition(4 * filters, filters, timesteps, num_classes)

    def block(hidden: KerasTensor, width: int) -> KerasTensor:
        hidden = _residual(hidden, condition, width, drop)
        return SpatialSelfAttention(GROUPS)(hidden) if hidden.shape[1] in attention else hidden

    hidden = _convolution(filters, 3)(image)
    skips = [hidden]
    for stage, multiplier in enumerate(multipliers):
        if stage:
            hidden = _convolution(hidden.shape[-1], 3, 2)(hidden)
            skips.append(hidden)
        for _ in range(blocks):
            hidden = block(hidden, filters * multiplier)
            skips.append(hidden)
    width = filters * multipliers[-1]
    hidden = SpatialSelfAttention(GROUPS)(_residual(hidden, condition, width, drop))
    hidden = _residual(hidden, condition, width, drop)
    for stage, multiplier in reversed(list(enumerate(multipliers))):
        for _ in range(blocks + 1):
            hidden = block(layers.Concatenate()([hidden, skips.pop()]), filters * multiplier)
        if stage:
            hidden = layers.UpSampling2D(2)(hidden)
            hidden = _convolution(hidden.shape[-1], 3)(hidden)
    outputs = Conv2D(
        image_shape[-1], 3, padding="same", kernel_initializer="zeros", name="outputs"
    )(_normalized(hidden))
    return Model([image, *inputs], outputs, name=name)


def timed_dense(
    features: int,
    *,
    units: Sequence[int],
    dropout: float,
    timesteps: int,
    num_classes: int | None = None,
    name: str,
) -> Model:
    """Builds a fully connected network with residual blocks for vectors, conditioned as the U-Net is.

    Args:
        features: The length of a vector.
        units: The width of each residual block.
        dropout: In each residual block.
        timesteps: The time runs from 1 to this.
        num_classes: As in `unet`.
        name: Of the model.

    Returns:
        A built model from `[features, time]` or `[features, time, label]` to `(batch, features)`.

    Raises:
        ValueError: If the first width, which is also that of the embedded time, is odd or less than 4.
    """
    if units[0] < 4 or units[0] % 2:
        raise ValueError(f"units must begin with an even number of at least 4, not {units[0]}")
    values = Input((features,), name="features")
    drop = _dropout(dropout)
    condition, inputs = _condition(2 * units[0], units[0], timesteps, num_classes)
    hidden = _dense(units[0])(values)
    for width in units:
        update = layers.Activation("silu")(hidden)
        update = layers.Add()([_dense(width)(update), _dense(width)(condition)])
        update = drop(layers.Activation("silu")(update))
        update = _dense(width)(update)
        if hidden.shape[-1] != width:
            hidden = _dense(width)(hidden)
        hidden = layers.Add()([hidden, update])
    hidden = layers.Activation("silu")(hidden)
    outputs = Dense(features, kernel_initializer="zeros", name="outputs")(hidden)
    return Model([values, *inputs], outputs, name=name)


def _convolution(width: int, size: int, stride: int = 1) -> layers.Layer:
    return Conv2D(width, size, stride, padding="same", kernel_initializer=HostGlorotUniform())


def _dense(width: int, activation: str | None = None) -> layers.Layer:
    return Dense(width, activation=activation, kernel_initializer=HostGlorotUniform())


def _dropout(rate: float) -> Callable[[KerasTensor], KerasTensor]:
    """What adds the dropout layers of one network; each has a seed of its own.

    Keras on PyTorch draws from the global generator where no seed is given, and a resumed training would not
    go on with the same numbers. A random seed would be in the configuration, and make files differ.
    """
    seeds = itertools.count(1)

    def drop(hidden: KerasTensor) -> KerasTensor:
        return layers.Dropout(rate, seed=next(seeds))(hidden) if rate else hidden

    return drop


def _condition(width: int, embedding_width: int, timesteps: int, num_classes: int | None):
    """What every block is told: an embedding `(batch, width)` of time and label, and the inputs of both."""
    time = Input((), dtype="int32", name="time")
    inputs = [time]
    # The paper's 1000 steps: a model with fewer sees the same range of times.
    hidden = SinusoidalEmbedding(embedding_width, scale=1000.0 / timesteps)(time)
    hidden = _dense(width, "silu")(hidden)
    hidden = _dense(width)(hidden)
    if num_classes:
        label = Input((), dtype="int32", name="label")
        inputs.append(label)
        table = layers.Embedding(num_classes + 1, width, embeddings_initializer=HostGlorotUniform())
        hidden = layers.Add()([hidden, table(label)])
    return layers.Activation("silu")(hidden), inputs


def _normalized(hidden: KerasTensor) -> KerasTensor:
    return GroupNormalization(GROUPS, activation="silu")(hidden)


def _residual(
    hidden: KerasTensor, condition: KerasTensor, width: int, drop: Callable
) -> KerasTensor:
    """A residual block; its last convolution starts at zero, so that it begins as its shortcut."""
    update = _convolution(width, 3)(_normalized(hidden))
    update = _normalized(AddEverywhere()([update, _dense(width)(condition)]))
    update = drop(update)
    update = Conv2D(width, 3, padding="same", kernel_initializer="zeros")(update)
    if hidden.shape[-1] != width:
        hidden = _convolution(width, 1)(hidden)
    return layers.Add()([hidden, update])
