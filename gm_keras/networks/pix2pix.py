"""The U-Net generator and the PatchGAN discriminator of pix2pix (Isola et al. 2017, arXiv 1611.07004)."""

from collections.abc import Sequence

from keras import Input, KerasTensor, Model, layers

from gm_keras.layers.convolution import Conv2D, Conv2DTranspose
from gm_keras.layers.initializers import HostNormal
from gm_keras.networks.convolutional import check_widest

KERNEL = 4
#: The paper's networks grow no wider than eight times their first layer.
WIDEST = 8
#: Layers of the decoder, from the inside out, that have dropout.
DROPOUT_LAYERS = 3


def downsamplings_for(image_shape: Sequence[int], downsamplings: int | None = None) -> int:
    """How many times the generator halves an image.

    Args:
        image_shape: (height, width, channels).
        downsamplings: A wish, checked; None halves until a side is odd (the paper goes on to 1 x 1).

    Raises:
        ValueError: If a side cannot be halved so often.
    """
    sides = image_shape[:2]
    most = 0
    while all(side % 2 ** (most + 1) == 0 for side in sides):
        most += 1
    wanted = most if downsamplings is None else downsamplings
    if most == 0:
        raise ValueError(
            f"image_shape must have an even height and width, not {sides[0]} x {sides[1]}: "
            "resize or pad the images"
        )
    if not 1 <= wanted <= most:
        raise ValueError(
            f"downsamplings must be from 1 to {most} for images of {sides[0]} x {sides[1]}, not {wanted}"
        )
    return wanted


def patch_layers_for(image_shape: Sequence[int], patch_layers: int | None = None) -> int:
    """How many times the discriminator halves an image.

    Args:
        image_shape: (height, width, channels).
        patch_layers: A wish, checked; None means the paper's 3, or fewer where a side would be odd or below 4.

    Raises:
        ValueError: If a side cannot be halved so often.
    """
    sides = image_shape[:2]
    if patch_layers is None:
        patch_layers = 0
        while patch_layers < 3 and all(
            side % 2 ** (patch_layers + 1) == 0 and side >> patch_layers >= 8 for side in sides
        ):
            patch_layers += 1
    if patch_layers < 0 or any(side % 2**patch_layers for side in sides):
        raise ValueError(
            f"patch_layers must fit the images: {sides[0]} x {sides[1]} cannot be halved {patch_layers} times"
        )
    return patch_layers


def _normalized(hidden: KerasTensor) -> KerasTensor:
    # Momentum 0.9: the moving averages must follow a quickly changing network.
    gamma = HostNormal(0.02, mean=1.0)
    return layers.BatchNormalization(momentum=0.9, epsilon=1e-5, gamma_initializer=gamma)(hidden)


def _convolution(
    hidden: KerasTensor,
    width: int,
    kernel: int = KERNEL,
    stride: int = 2,
    *,
    transposed: bool = False,
    bias: bool = False,
) -> KerasTensor:
    kind = Conv2DTranspose if transposed else Conv2D
    layer = kind(
        width,
        kernel,
        stride,
        padding="same",
        # Before a normalization, which would take a bias away again, there is none.
        use_bias=bias,
        kernel_initializer=HostNormal(0.02),
    )
    return layer(hidden)


def pix2pix_generator(
    source_shape: Sequence[int],
    image_shape: Sequence[int],
    *,
    filters: int,
    downsamplings: int | None = None,
    dropout: bool = True,
    name: str,
) -> Model:
    """Builds a U-Net whose dropout masks are inputs.

    Masks from outside make the noise a function of the caller's seed, in compiled and exported code too.

    Args:
        source_shape: (height, width, channels) of what is translated.
        image_shape: (height, width, channels) of the result; height and width are those of the source.
        filters: Of the first layer; each further one has twice as many, up to 8 times.
        downsamplings: See `downsamplings_for`.
        dropout: Whether the (up to three) innermost layers of the decoder are multiplied by masks.
        name: Of the model.

    Returns:
        A built model from `[source, mask_1, ...]` to images in [-1, 1]. A mask has the shape of the hidden layer
        that it multiplies, and is 0 or 1 / (1 - dropout rate). Without masks the input is the source alone.
    """
    depth = downsamplings_for(image_shape, downsamplings)
    widths = [filters * min(2**level, WIDEST) for level in range(depth)]
    check_widest("filters", widths[-1])
    hidden = source = Input(source_shape, name="source")
    skips = []
    for level, width in enumerate(widths):
        if level:
            hidden = layers.LeakyReLU(negative_slope=0.2)(hidden)
        # Neither the first layer is normalized nor the innermost: at 1 x 1 and with one example nothing were left.
        plain = level in (0, depth - 1)
        hidden = _convolution(hidden, width, bias=plain)
        hidden = hidden if plain else _normalized(hidden)
        skips.append(hidden)
    masks = []
    skips.pop()
    for level in reversed(range(1, depth)):
        hidden = _convolution(layers.ReLU()(hidden), widths[level - 1], transposed=True)
        hidden = _normalized(hidden)
        if dropout and len(masks) < DROPOUT_LAYERS:
            masks.append(Input(hidden.shape[1:], name=f"mask_{len(masks) + 1}"))
            hidden = layers.Multiply()([hidden, masks[-1]])
        hidden = layers.Concatenate()([hidden, skips.pop()])
    hidden = _convolution(layers.ReLU()(hidden), image_shape[-1], transposed=True, bias=True)
    outputs = layers.Activation("tanh", name="outputs")(hidden)
    return Model([source, *masks] if masks else source, outputs, name=name)


def patchgan(
    source_shape: Sequence[int],
    image_shape: Sequence[int],
    *,
    filters: int,
    patch_layers: int | None = None,
    name: str,
) -> Model:
    """Builds a discriminator of pairs, whose every output sees a patch of them.

    With 3 strided layers a patch has 70 x 70 pixels, with 2 it has 34 x 34, with 1 it has 16 x 16; with none the
    kernels are 1 x 1, and each pixel is judged for itself.

    Args:
        source_shape: (height, width, channels) of the source.
        image_shape: (height, width, channels) of the target.
        filters: Of the first layer; each further one has twice as many, up to 8 times.
        patch_layers: Strided layers; see `patch_layers_for`.
        name: Of the model.

    Returns:
        A built model from `[source, target]` to logits `(batch, height >> layers, width >> layers, 1)`.
    """
    strided = patch_layers_for(image_shape, patch_layers)
    check_widest("filters", filters * min(2 ** max(strided, 1), WIDEST))
    kernel = KERNEL if strided else 1
    inputs = [Input(source_shape, name="source"), Input(image_shape, name="target")]
    hidden = layers.Concatenate()(inputs)
    for level in range(max(strided, 1) + 1):
        width = filters * min(2**level, WIDEST)
        hidden = _convolution(hidden, width, kernel, 2 if level < strided else 1, bias=level == 0)
        if level:
            hidden = _normalized(hidden)
        hidden = layers.LeakyReLU(negative_slope=0.2)(hidden)
    outputs = Conv2D(
        1, kernel, padding="same", kernel_initializer=HostNormal(0.02), name="outputs"
    )(hidden)
    return Model(inputs, outputs, name=name)
