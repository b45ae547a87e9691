"""What a data set is before it is prepared: some splits that can be read one example at a time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageOps

Example = dict[str, np.ndarray]


class DataError(ValueError):
    """Data that cannot be prepared: one line that says what, and where to mend it."""


@dataclass(frozen=True)
class Field:
    """One field of an example.

    Attributes:
        shape: The shape of one example, () for a label.
        dtype: What is stored: uint8 (images), float32 (features), int32 (labels).
    """

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Source:
    """A data set that can be read.

    Attributes:
        kind: Where it comes from, as noted in `dataset.json`.
        version: Names the content.
        fields: `image` or `features`, and `label` where there are labels.
        splits: The examples in each split that the source itself has; `train` is among them.
        read: Yields the examples of one of these splits, always in the same order.
        levels: The number of values of a pixel; None if the values are to tell.
        class_names: The classes in the order of their labels; None without labels.
    """

    kind: str
    version: str
    fields: dict[str, Field]
    splits: dict[str, int]
    read: Callable[[str], Iterator[Example]]
    levels: int | None = None
    class_names: tuple[str, ...] | None = None

    @property
    def primary(self) -> str:
        """The field that is modelled."""
        return "image" if "image" in self.fields else "features"


def fit_square(image: Image.Image, size: int) -> Image.Image:
    """Scales an image so that its smaller side is `size` pixels, and cuts out the centre."""
    return ImageOps.fit(image, (size, size), method=Image.Resampling.LANCZOS)


def fit_square_array(image: np.ndarray, size: int) -> np.ndarray:
    """`fit_square` of a uint8 array (height, width, 1 or 3), with as many channels."""
    channels = image.shape[-1]
    picture = Image.fromarray(image[..., 0] if channels == 1 else image)
    return np.asarray(fit_square(picture, size)).reshape(size, size, channels)
