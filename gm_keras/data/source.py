"""What a data set is before it is prepared: some splits that can be read one example at a time."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from gm_keras.data.prepared import IMAGES
from gm_keras.reading import check_file

Example = dict[str, np.ndarray]

# The first of these that a data set has is the field that is modelled.
PRIMARY = ("target", "image", "tokens", "audio", "features")


class DataError(ValueError):
    """Data that cannot be prepared: one line that says what, and where to mend it."""


@dataclass(frozen=True)
class Field:
    """One field of an example.

    Attributes:
        shape: The shape of one example, () for a label and in a stream of tokens.
        dtype: What is stored: uint8 (images), float32 (features), int16 (audio), int32 (labels),
            the smallest of uint8, uint16 and int32 (tokens).
        levels: The number of values of a pixel or token; None if there is no such number, or if
            the pixels are to tell.
    """

    shape: tuple[int, ...]
    dtype: str
    levels: int | None = None


@dataclass(frozen=True)
class Source:
    """A data set that can be read.

    Attributes:
        kind: Where it comes from, as noted in `dataset.json`.
        version: Names the content.
        fields: `image`, or `source` and `target`, or `features`, `tokens` or `audio`; and `label`
            where there are labels.
        splits: The examples in each split that the source itself has; `train` is among them. In a
            stream, the tokens.
        read: Yields the examples of one of these splits, always in the same order; in a stream,
            `tokens` with as many at a time as it likes.
        class_names: The classes in the order of their labels; None without labels.
        stream: Whether a split is one long sequence of tokens.
        vocabulary: The character of each token in order, or `bytes`; None without text.
        sample_rate: Of audio, in samples a second; None if it is not known.
        mixture: Of vectors drawn around known centres: `centres`, a list of vectors, and `deviation`, one
            number or one for each centre; None for all other data.
        labels: Gives the labels of a split in the order of `read`, without the examples; None without
            labels.
        notes: What a user should know of the data, each in one line.
    """

    kind: str
    version: str
    fields: dict[str, Field]
    splits: dict[str, int]
    read: Callable[[str], Iterator[Example]]
    class_names: tuple[str, ...] | None = None
    stream: bool = False
    vocabulary: str | None = None
    sample_rate: int | None = None
    mixture: dict[str, list | float] | None = None
    labels: Callable[[str], np.ndarray] | None = None
    notes: tuple[str, ...] = ()

    @property
    def primary(self) -> str:
        """The field that is modelled."""
        return next(field for field in PRIMARY if field in self.fields)

    @property
    def images(self) -> tuple[str, ...]:
        """The fields that are images."""
        return tuple(field for field in self.fields if field in IMAGES)


def token_dtype(levels: int) -> str:
    """The smallest type for tokens of so many values."""
    return "uint8" if levels <= 2**8 else "uint16" if levels <= 2**16 else "int32"


def natural(name: str) -> tuple:
    """What names are sorted by, so that 2 comes before 10 and a2 before a10, in every language."""
    parts = re.split("([0-9]+)", name)
    # Text and digits take turns, so that like is compared with like.
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def digest(path: Path) -> str:
    """Twelve digits that name the content of a file."""
    check_file(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def fit_square(image: Image.Image, size: int) -> Image.Image:
    """Scales an image so that its smaller side is `size` pixels, and cuts out the centre."""
    return ImageOps.fit(image, (size, size), method=Image.Resampling.LANCZOS)


def fit_square_array(image: np.ndarray, size: int) -> np.ndarray:
    """`fit_square` of a uint8 array (height, width, 1 or 3), with as many channels."""
    channels = image.shape[-1]
    picture = Image.fromarray(image[..., 0] if channels == 1 else image)
    return np.asarray(fit_square(picture, size)).reshape(size, size, channels)
