"""What a data set is before it is prepared: some splits that can be read one example at a time."""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from gm_keras.fields import ATTRIBUTE, PRIMARY
from gm_keras.fields.table import Table
from gm_keras.reading import check_file

Example = dict[str, np.ndarray]


class DataError(ValueError):
    """Data that cannot be prepared: one line that says what, and where to mend it."""


@dataclass(frozen=True)
class Field:
    """One field of an example, or one attribute: see `gm_keras.fields`.

    Attributes:
        shape: The shape of one example, () for a label and in a stream of tokens.
        dtype: What is stored; for tokens the smallest of uint8, uint16 and int32.
        levels: The number of values of a pixel, token or class; None if there is no such number, or if
            the pixels are to tell.
        names: What the values of a mask or an attribute are called, from 0 on; None if they have no names.
    """

    shape: tuple[int, ...]
    dtype: str
    levels: int | None = None
    names: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Source:
    """A data set that can be read.

    Attributes:
        kind: Where it comes from, as noted in `dataset.json`.
        version: Names the content.
        fields: A field that is modelled, and what comes with it.
        splits: The examples in each split that the source itself has; `train` is among them. In a
            stream, the tokens.
        read: Yields the examples of one of these splits, always in the same order, attributes included, whose names
            begin with `fields.ATTRIBUTE`; in a stream, `tokens` with as many at a time as it likes.
        class_names: The classes in the order of their labels; None without labels.
        stream: Whether a split is one long sequence of tokens.
        vocabulary: The character of each token in order, or `bytes`; None without text.
        sample_rate: Of audio, in samples a second; None if it is not known.
        mixture: Of vectors drawn around known centres: `centres`, a list of vectors, and `deviation`, one
            number or one for each centre; None for all other data.
        labels: Gives the labels of a split in the order of `read`, without the examples; None without
            labels.
        notes: What a user should know of the data, each in one line.
        attributes: What is known of each example beside its fields.
        table: The columns that the features stand for; None where they are no table.
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
    attributes: dict[str, Field] = field(default_factory=dict)
    table: Table | None = None

    @property
    def primary(self) -> str:
        """The field that is modelled."""
        return next(name for name in PRIMARY if name in self.fields)

    @property
    def arrays(self) -> dict[str, Field]:
        """What is written of each example: fields and attributes, by the names that they have in `read`."""
        described = {ATTRIBUTE + name: spec for name, spec in self.attributes.items()}
        return {**self.fields, **described}


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


def fit_square(image: Image.Image, size: int, classes: bool = False) -> Image.Image:
    """Scales an image so that its smaller side is `size` pixels, and cuts out the centre.

    With `classes` each pixel is one of the image, for nothing lies between two classes.
    """
    method = Image.Resampling.NEAREST if classes else Image.Resampling.LANCZOS
    return ImageOps.fit(image, (size, size), method=method)


def fit_square_array(image: np.ndarray, size: int, classes: bool = False) -> np.ndarray:
    """`fit_square` of a uint8 array (height, width, 1 or 3), with as many channels."""
    channels = image.shape[-1]
    picture = Image.fromarray(image[..., 0] if channels == 1 else image)
    return np.asarray(fit_square(picture, size, classes)).reshape(size, size, channels)
