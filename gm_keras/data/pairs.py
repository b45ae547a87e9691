"""Pairs for translation made from images: the edges of an image, and the image itself."""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import numpy as np

from gm_keras.data.source import DataError, Example, Field, Source

LUMA = (299, 587, 114)  # thousandths of red, green and blue in grey: ITU-R BT.601, as in Pillow


def edges(source: Source) -> Source:
    """Turns a data set of images into pairs: `source` is the edge map of `target`, the image.

    Labels stay. The edge map has 256 levels whatever the image has; see `edge_map`.

    Args:
        source: A data set with the field `image`.
    """
    if source.primary != "image":
        raise DataError(
            f"pairs: edges needs images, but {source.kind} has {', '.join(source.fields)}"
        )
    image = source.fields["image"]
    image = replace(image, levels=image.levels or _levels(source))
    rest = {field: spec for field, spec in source.fields.items() if field != "image"}
    return replace(
        source,
        fields={"source": Field((*image.shape[:2], 1), "uint8", 256), "target": image, **rest},
        read=partial(_read, source, image.levels),
    )


def edge_map(image: np.ndarray, levels: int) -> np.ndarray:
    """The magnitude of Sobel's gradient of a grey image.

    The grey values lie from 0 to 1, and beyond the border they go on as at the border (so the
    frame is no edge). The two derivatives are Sobel's differences of weighted sums, divided by 4:
    a straight step from 0 to 1 has magnitude 1 on both of its sides. The few corners above 1 are
    cut to 1. No image is stretched to its own maximum: a faint edge stays faint.

    I. Sobel, G. Feldman: A 3 x 3 isotropic gradient operator for image processing, 1968.

    Args:
        image: uint8 (height, width, 1 or 3) with values from 0 to levels - 1.
        levels: The number of values of a pixel.

    Returns:
        uint8 (height, width, 1): 255 times the magnitude, rounded.
    """
    # Integers up to the root: the same bytes on every machine.
    pixels = image.astype("int64")
    grey = pixels[..., 0] * sum(LUMA) if image.shape[-1] == 1 else pixels @ np.array(LUMA)
    padded = np.pad(grey, 1, mode="edge")
    rows = padded[:-2] + 2 * padded[1:-1] + padded[2:]
    columns = padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]
    across, down = rows[:, 2:] - rows[:, :-2], columns[2:] - columns[:-2]
    magnitude = np.sqrt((across**2 + down**2).astype("float64"))
    scaled = magnitude * 255.0 / (4 * sum(LUMA) * (levels - 1))
    return np.rint(np.minimum(scaled, 255.0)).astype("uint8")[..., None]


def _levels(source: Source) -> int:
    """2 if no pixel is above 1, as the writer has it; an image or two are mostly enough to see."""
    for split in source.splits:
        if any(example["image"].max() > 1 for example in source.read(split)):
            return 256
    return 2


def _read(source: Source, levels: int, split: str) -> Iterator[Example]:
    for example in source.read(split):
        image = example.pop("image")
        yield {"source": edge_map(image, levels), "target": image, **example}
