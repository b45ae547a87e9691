"""Generator and critic that grow resolution by resolution (Karras et al. 2018, arXiv 1710.10196).

All layers are made at once; a network for each stage of the training is put together from them. Stages are called
after their resolution: "8x8", then "16x16_fade", in which the layers of 16 x 16 come in gradually, then "16x16".
"""

from collections.abc import Callable, Sequence
from typing import Any

from keras import Input, KerasTensor, Model, layers, ops

from gm_keras.layers.equalized import EqualizedConv2D, EqualizedDense
from gm_keras.layers.fade_in import FadeIn
from gm_keras.layers.minibatch_deviation import MinibatchDeviation
from gm_keras.layers.pixel_normalization import PixelNormalization


def sides_for(image_shape: Sequence[int], base_size: int) -> tuple[int, ...]:
    """The sides of the images of all resolutions, from the first, `base_size`, to the last.

    Raises:
        ValueError: If the images are not square, or their side is not `base_size` doubled once or more.
    """
    height, width, _ = image_shape
    sides = [base_size]
    while sides[-1] < height:
        sides.append(2 * sides[-1])
    if height != width or sides[-1] != height or len(sides) < 2:
        raise ValueError(
            f"base_size must be the side of the images, halved once or more, not {base_size}: "
            f"{height} x {width} is not a square of {2 * base_size}, {4 * base_size}, {8 * base_size}, ..."
        )
    return tuple(sides)


def stage_names(sides: Sequence[int]) -> tuple[str, ...]:
    """The stages of a training: the first resolution, then each next one, first fading in."""
    names = [f"{sides[0]}x{sides[0]}"]
    for side in sides[1:]:
        names += [f"{side}x{side}_fade", f"{side}x{side}"]
    return tuple(names)


def side_of(stage: str) -> int:
    """The side of the images of a stage, in pixels."""
    return int(stage.removesuffix("_fade").split("x")[0])


def is_fading(stage: str) -> bool:
    """Whether in a stage a new resolution comes in, so that its networks take alpha as a further input."""
    return stage.endswith("_fade")


def halve(images: Any) -> Any:
    """Shrinks images `(batch, height, width, channels)` to half their sides by averages of 2 x 2 pixels."""
    # No layer: a new one for each call would number the layers made later.
    return ops.average_pool(images, 2, 2)


def double(images: Any) -> Any:
    """Enlarges images `(batch, height, width, channels)` to twice their sides by repeating pixels."""
    return ops.repeat(ops.repeat(images, 2, axis=1), 2, axis=2)


def _activated(hidden: KerasTensor, normalize: bool = False) -> KerasTensor:
    hidden = layers.LeakyReLU(negative_slope=0.2)(hidden)
    return PixelNormalization()(hidden) if normalize else hidden


def progressive_generators(
    latent_dim: int, image_shape: Sequence[int], filters: Sequence[int], base_size: int
) -> dict[str, Model]:
    """Builds the generators of all stages, which share their layers.

    Args:
        latent_dim: Width of the latents; the first layer puts them on a hypersphere.
        image_shape: (height, width, channels) of the last resolution.
        filters: For each resolution, from the first to the last.
        base_size: Side of the first resolution, in pixels.

    Returns:
        For each stage a model from latents `(batch, latent_dim)`, in a fading stage from `[latents, alpha]` with
        alpha `(batch,)` in [0, 1], to images of the stage's resolution. No activation bounds their values.
    """
    sides = sides_for(image_shape, base_size)
    latents, alpha = Input((latent_dim,), name="latents"), Input((), name="alpha")
    models: dict[str, Model] = {}
    image = None
    for side, width in zip(sides, filters, strict=True):
        if image is None:
            hidden = EqualizedDense(
                side * side * width,
                # As in the authors' code: a quarter of He's constant.
                gain=2.0**0.5 / 4.0,
                name="generator_latents",
            )(PixelNormalization()(latents))
            hidden = _activated(layers.Reshape((side, side, width))(hidden), normalize=True)
        else:
            hidden = EqualizedConv2D(width, name=f"generator_{side}_first")(
                layers.UpSampling2D(2)(hidden)
            )
            hidden = _activated(hidden, normalize=True)
        hidden = EqualizedConv2D(width, name=f"generator_{side}_last")(hidden)
        hidden = _activated(hidden, normalize=True)
        old = image
        image = EqualizedConv2D(image_shape[-1], 1, gain=1.0, name=f"generator_{side}_to_image")(
            hidden
        )
        name = f"{side}x{side}"
        if old is not None:
            models[f"{name}_fade"] = Model(
                [latents, alpha],
                FadeIn()([layers.UpSampling2D(2)(old), image, alpha]),
                name=f"generator_{name}_fade",
            )
        models[name] = Model(latents, image, name=f"generator_{name}")
    return models


def progressive_critics(
    image_shape: Sequence[int], filters: Sequence[int], base_size: int
) -> dict[str, Model]:
    """Builds the critics of all stages, which share their layers.

    Args:
        image_shape: (height, width, channels) of the last resolution.
        filters: For each resolution, from the first to the last.
        base_size: Side of the first resolution, in pixels.

    Returns:
        For each stage a model from images of its resolution, in a fading stage from `[images, alpha]`, to scores
        `(batch, 1)`. A score depends on the other images of the batch, by their standard deviation.
    """
    sides = sides_for(image_shape, base_size)
    from_image, blocks = [], []
    for index, (side, width) in enumerate(zip(sides, filters, strict=True)):
        from_image.append(_entry(side, width))
        blocks.append(_block(side, width, filters[index - 1]) if index else _head(side, width))

    def scores(hidden: KerasTensor, index: int) -> KerasTensor:
        for block in reversed(blocks[: index + 1]):
            hidden = block(hidden)
        return hidden

    models = {}
    for index, side in enumerate(sides):
        name = f"{side}x{side}"
        images = Input((side, side, image_shape[-1]), name="images")
        if index:
            alpha = Input((), name="alpha")
            new = blocks[index](from_image[index](images))
            mixed = FadeIn()(
                [from_image[index - 1](layers.AveragePooling2D(2)(images)), new, alpha]
            )
            models[f"{name}_fade"] = Model(
                [images, alpha], scores(mixed, index - 1), name=f"critic_{name}_fade"
            )
        models[name] = Model(
            images, scores(from_image[index](images), index), name=f"critic_{name}"
        )
    return models


def _entry(side: int, width: int) -> Callable[[KerasTensor], KerasTensor]:
    convolution = EqualizedConv2D(width, 1, name=f"critic_{side}_from_image")
    return lambda images: _activated(convolution(images))


def _block(side: int, width: int, wider: int) -> Callable[[KerasTensor], KerasTensor]:
    first = EqualizedConv2D(width, name=f"critic_{side}_first")
    last = EqualizedConv2D(wider, name=f"critic_{side}_last")
    return lambda hidden: layers.AveragePooling2D(2)(_activated(last(_activated(first(hidden)))))


def _head(side: int, width: int) -> Callable[[KerasTensor], KerasTensor]:
    convolution = EqualizedConv2D(width, name=f"critic_{side}_first")
    dense = EqualizedDense(width, name=f"critic_{side}_last")
    output = EqualizedDense(1, gain=1.0, name="critic_score")

    def score(hidden: KerasTensor) -> KerasTensor:
        hidden = _activated(convolution(MinibatchDeviation()(hidden)))
        return output(_activated(dense(layers.Flatten()(hidden))))

    return score
