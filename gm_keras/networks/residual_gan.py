"""The residual generators and discriminators of SNGAN (Miyato et al. 2018), SAGAN (Zhang et al. 2019) and BigGAN (Brock
et al. 2019): the same blocks, of which each paper normalizes, conditions and adds more."""

from collections.abc import Callable, Sequence

from keras import Input, KerasTensor, Model, layers
from keras.initializers import Initializer

from gm_keras.layers.attention import GatedSelfAttention
from gm_keras.layers.conditional_normalization import ConditionalBatchNormalization
from gm_keras.layers.convolution import Conv2D
from gm_keras.layers.dense import Dense
from gm_keras.layers.embedding import Embedding
from gm_keras.layers.initializers import HostGlorotUniform, HostOrthogonal
from gm_keras.layers.spectral_normalization import SpectralNormalization
from gm_keras.networks.conditioning import label_input


def residual_generator(
    latent_dim: int,
    image_shape: Sequence[int],
    filters: Sequence[int],
    *,
    num_classes: int | None = None,
    spectral: bool = False,
    attention: int | None = None,
    name: str,
) -> Model:
    """Builds the generator of SNGAN or SAGAN: a projection of the latents, then residual blocks that double the image.

    Args:
        latent_dim: Width of the latents.
        image_shape: (height, width, channels).
        filters: Of each block, from the smallest image to the largest.
        num_classes: With it, the network takes `[latents, label]`, and each class has its own scale and shift in
            the batch normalization of the blocks.
        spectral: Whether convolutions and the projection are spectrally normalized.
        attention: The height of the features with self-attention; None for none.
        name: Of the model.

    Returns:
        A built model from `(batch, latent_dim)` to `(batch, height, width, channels)` in [-1, 1].
    """
    latents = Input((latent_dim,), name="inputs")
    label, one_hot = one_hot_label(num_classes)
    blocks = _GeneratorBlocks(image_shape, filters, spectral, attention, HostGlorotUniform)
    outputs = blocks.image(latents, [one_hot] * len(filters))
    return Model([latents, label] if num_classes else latents, outputs, name=name)


def big_generator(
    latent_dim: int,
    image_shape: Sequence[int],
    filters: Sequence[int],
    *,
    num_classes: int | None = None,
    class_dim: int,
    attention: int | None = None,
    name: str,
) -> Model:
    """Builds the generator of BigGAN: one embedding of the class for all blocks, and a part of the latents for each.

    The first part of the latents is projected; each further one stands beside the embedded class, and both together
    decide scale and shift in the batch normalizations of a block. All but the embedding is spectrally normalized.

    Args:
        latent_dim: Width of the latents; a multiple of the number of blocks and one more.
        image_shape: (height, width, channels).
        filters: Of each block, from the smallest image to the largest.
        num_classes: With it, the network takes `[latents, label]`.
        class_dim: Width of the embedding of the class.
        attention: The height of the features with self-attention; None for none.
        name: Of the model.

    Returns:
        A built model from `(batch, latent_dim)` to `(batch, height, width, channels)` in [-1, 1].

    Raises:
        ValueError: If the latents cannot be divided into such parts, or the blocks do not fit the images.
    """
    parts = len(filters) + 1
    if latent_dim % parts:
        raise ValueError(
            f"latent_dim must be a multiple of {parts}, one part for the projection and one for each block, "
            f"not {latent_dim}"
        )
    latents = Input((latent_dim,), name="inputs")
    first, *conditions = [
        layers.Reshape((latent_dim // parts,))(each)
        for each in _split(layers.Reshape((parts, latent_dim // parts))(latents), parts)
    ]
    label = None
    if num_classes:
        label = Input((), dtype="int32", name="label")
        embedded = Embedding(
            num_classes, class_dim, embeddings_initializer=HostOrthogonal(), name="class_embedding"
        )(label)
        conditions = [layers.Concatenate()([embedded, each]) for each in conditions]
    blocks = _GeneratorBlocks(image_shape, filters, True, attention, HostOrthogonal)
    outputs = blocks.image(first, conditions, spectral_conditions=True)
    return Model([latents, label] if num_classes else latents, outputs, name=name)


def residual_discriminator(
    image_shape: Sequence[int],
    filters: Sequence[int],
    halvings: int,
    *,
    num_classes: int | None = None,
    attention: int | None = None,
    initializer: Callable[[], Initializer] = HostGlorotUniform,
    name: str,
) -> Model:
    """Builds a discriminator: residual blocks without normalization but the spectral one of every layer.

    Args:
        image_shape: (height, width, channels).
        filters: Of each block.
        halvings: So many of the first blocks halve the image.
        num_classes: With it, the network takes `[image, label]`, and the features' product with a vector of the
            class is added to the score (the projection of Miyato & Koyama 2018, arXiv 1802.05637).
        attention: The height of the features with self-attention; None for none.
        initializer: Makes that of each kernel.
        name: Of the model.

    Returns:
        A built model from `(batch, height, width, channels)` to scores `(batch, 1)`.

    Raises:
        ValueError: If the image cannot be halved so often.
    """
    check_halvings(image_shape, filters, halvings)
    heights = [image_shape[0] >> min(index + 1, halvings) for index in range(len(filters))]
    _check_attention(attention, heights)
    hidden = image = Input(image_shape, name="inputs")
    for index, (side, features) in enumerate(zip(heights, filters, strict=True)):
        hidden = _shrinking(
            hidden, features, first=index == 0, halve=index < halvings, initializer=initializer
        )
        if side == attention and attention not in heights[:index]:
            hidden = GatedSelfAttention(initializer is HostOrthogonal)(hidden)
    hidden = layers.ReLU()(hidden)
    places = hidden.shape[1] * hidden.shape[2]
    # The mean times the number of places: their sum.
    features = layers.Rescaling(float(places))(layers.GlobalAveragePooling2D()(hidden))
    outputs, label = projected_scores(features, num_classes, initializer)
    return Model([image, label] if num_classes else image, outputs, name=name)


def projected_scores(
    features: KerasTensor,
    num_classes: int | None,
    initializer: Callable[[], Initializer] = HostGlorotUniform,
) -> tuple[KerasTensor, KerasTensor | None]:
    """The end of a discriminator with spectral normalization: a linear score and, with labels, the projection.

    Args:
        features: `(batch, width)`.
        num_classes: None for a discriminator without labels.
        initializer: Makes that of each kernel.

    Returns:
        Scores `(batch, 1)`, and the input of the label, int32 `(batch,)`, or None.
    """
    scores = spectrally_normalized(Dense(1, kernel_initializer=initializer()))(features)
    if not num_classes:
        return scores, None
    label = Input((), dtype="int32", name="label")
    table = Embedding(num_classes, features.shape[-1], embeddings_initializer=initializer())
    embedded = spectrally_normalized(table)(label)
    return layers.Add()([scores, layers.Dot(1)([features, embedded])]), label


def spectrally_normalized(layer: layers.Layer) -> SpectralNormalization:
    """The layer with spectral normalization, under a name of its own."""
    return SpectralNormalization(layer, name=f"spectral_{layer.name}")


def normalized(
    hidden: KerasTensor, condition: KerasTensor | None, spectral: bool = False
) -> KerasTensor:
    """Batch normalization, conditional where there is a condition `(batch, size)`, and ReLU."""
    if condition is None:
        # Momentum 0.9: the moving averages must follow a quickly changing network.
        hidden = layers.BatchNormalization(momentum=0.9, epsilon=1e-5)(hidden)
    else:
        hidden = ConditionalBatchNormalization(spectral)([hidden, condition])
    return layers.ReLU()(hidden)


def base_size(image_shape: Sequence[int], filters: Sequence[int]) -> tuple[int, int]:
    """Height and width of the image from which a generator begins, that each of `filters` then doubles.

    Raises:
        ValueError: If the image cannot be halved so often.
    """
    height, width, _ = image_shape
    doublings = len(filters)
    if height % 2**doublings or width % 2**doublings:
        raise ValueError(
            f"generator_filters must be no more than the images can be halved: {height} x {width} cannot be halved "
            f"{doublings} times"
        )
    return height >> doublings, width >> doublings


def check_halvings(image_shape: Sequence[int], filters: Sequence[int], halvings: int) -> None:
    """Refuses a discriminator that cannot halve its images so often.

    Raises:
        ValueError: If there are fewer blocks, or a side cannot be divided.
    """
    height, width, _ = image_shape
    if halvings > len(filters) or height % 2**halvings or width % 2**halvings:
        raise ValueError(
            f"halvings must be at most the number of discriminator_filters, {len(filters)}, and fit the images: "
            f"{height} x {width} cannot be halved {halvings} times"
        )


def one_hot_label(num_classes: int | None) -> tuple[KerasTensor | None, KerasTensor | None]:
    """The input of a label, int32 `(batch,)`, and the label as `(batch, num_classes)`; two times None without classes."""
    if not num_classes:
        return None, None
    return label_input(num_classes)


class _GeneratorBlocks:
    """The residual blocks of a generator, each of which doubles the image."""

    def __init__(self, image_shape, filters, spectral, attention, initializer):
        self.image_shape, self.filters, self.attention = image_shape, filters, attention
        self.spectral, self.initializer = spectral, initializer
        self.base = base_size(image_shape, filters)
        _check_attention(attention, [self.base[0] << (n + 1) for n in range(len(filters))])

    def image(self, latents, conditions, spectral_conditions=False):
        """Images of the projected latents; one condition, or None, for each block."""
        height, width = self.base
        hidden = self._linear(height * width * self.filters[0])(latents)
        hidden = layers.Reshape((height, width, self.filters[0]))(hidden)
        for features, condition in zip(self.filters, conditions, strict=True):
            hidden = self._doubling(hidden, features, condition, spectral_conditions)
            if hidden.shape[1] == self.attention:
                hidden = GatedSelfAttention(self.initializer is HostOrthogonal)(hidden)
        last = self._convolution(self.image_shape[-1], use_bias=True)
        hidden = last(normalized(hidden, None))
        return layers.Activation("tanh", name="outputs")(hidden)

    def _doubling(self, hidden, features, condition, spectral_conditions):
        change = layers.UpSampling2D(2)(normalized(hidden, condition, spectral_conditions))
        change = self._convolution(features)(change)
        change = self._convolution(features)(normalized(change, condition, spectral_conditions))
        # A 1 x 1 convolution and a repetition of pixels may change places: this way it costs a quarter.
        shortcut = layers.UpSampling2D(2)(self._convolution(features, 1)(hidden))
        return layers.Add()([shortcut, change])

    def _convolution(self, features, size=3, use_bias=False):
        # But for the last one the next normalization, or that after all blocks, would take a bias away again.
        layer = Conv2D(
            features,
            size,
            padding="same",
            use_bias=use_bias,
            kernel_initializer=self.initializer(),
        )
        return spectrally_normalized(layer) if self.spectral else layer

    def _linear(self, units):
        layer = Dense(units, kernel_initializer=self.initializer())
        return spectrally_normalized(layer) if self.spectral else layer


def _shrinking(hidden, features, *, first, halve, initializer):
    """A block of a discriminator; before the first there is no activation, as its input are pixels."""

    def convolution(size):
        kernel = initializer()
        return spectrally_normalized(
            Conv2D(features, size, padding="same", kernel_initializer=kernel)
        )

    change = hidden if first else layers.ReLU()(hidden)
    change = convolution(3)(layers.ReLU()(convolution(3)(change)))
    shortcut = hidden
    if halve:
        change = layers.AveragePooling2D(2)(change)
        # A 1 x 1 convolution and averages may change places: this way it costs a quarter.
        shortcut = layers.AveragePooling2D(2)(shortcut)
    if halve or hidden.shape[-1] != features:
        shortcut = convolution(1)(shortcut)
    return layers.Add()([shortcut, change])


def _split(values, parts):
    return [layers.Cropping1D((index, parts - index - 1))(values) for index in range(parts)]


def _check_attention(attention, heights):
    if attention is not None and attention not in heights:
        raise ValueError(
            f"attention must be the height of a block's features, one of {sorted(set(heights))}, not {attention}"
        )
