"""What a model can be told beside its examples: the declaration of a condition, and the check of its values."""

import dataclasses
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from keras import ops

from gm_keras.core.arguments import shown
from gm_keras.core.values import extent, within
from gm_keras.fields import captions

#: Names by which users ask for conditions, also of a model that has none of them.
NAMES = ("label", "caption", "mask", "source", "style")


@dataclasses.dataclass(frozen=True)
class Condition:
    """One thing that a model is told; its name is the key in `GenerativeModel.conditions`.

    The constructors below have the usual ones.

    Attributes:
        shape: Of the value for one example; () is one number.
        means: What it says, in a few words.
        classes: Values are integers from 0 to `classes` - 1; None for real numbers.
        bounds: The lowest and highest real number, or None for numbers without bounds.
        text: Values may be given as text too, which `gm_keras.fields.captions` turns into codes.
        dropout: The share of examples that are not told in training. Where it is above 0 the model has learned to
            do without, so that calls may leave the condition out.
        nothing: What stands for it where it is left out; by default the class after the last one, or 0.
    """

    shape: tuple[int, ...] = ()
    means: str = ""
    classes: int | None = None
    bounds: tuple[float, float] | None = None
    text: bool = False
    dropout: float = 0.0
    nothing: float | None = None

    @classmethod
    def label(cls, classes: int, **options: Any) -> "Condition":
        """The class of an example."""
        return cls(means="a class", classes=classes, **options)

    @classmethod
    def caption(cls, length: int, **options: Any) -> "Condition":
        """A text of at most `length` bytes; the empty text stands for none."""
        return cls((length,), "a text", classes=captions.LEVELS, text=True, nothing=0, **options)

    @classmethod
    def mask(cls, shape: Sequence[int], classes: int, **options: Any) -> "Condition":
        """A class for each pixel: `(height, width, 1)`."""
        return cls(tuple(shape), "a class for each pixel", classes=classes, **options)

    @classmethod
    def image(cls, shape: Sequence[int], **options: Any) -> "Condition":
        """An image `(height, width, channels)` in [-1, 1]."""
        return cls(tuple(shape), "an image", bounds=(-1.0, 1.0), **options)

    @classmethod
    def vector(cls, size: int, **options: Any) -> "Condition":
        """Real numbers without bounds: `(size,)`."""
        return cls((size,), "a vector", **options)

    @property
    def is_class(self) -> bool:
        """Whether it is one class for each example."""
        return self.classes is not None and not self.shape

    @property
    def optional(self) -> bool:
        """Whether calls may leave it out: the model has learned to do without."""
        return self.dropout > 0.0

    @property
    def drawn(self) -> bool:
        """Whether samples for which it is left out draw it: one class, each as often as the others."""
        return self.is_class and not self.optional

    @property
    def dtype(self) -> str:
        """Of its values: "int32" for classes, "float32" for real numbers."""
        return "float32" if self.classes is None else "int32"

    @property
    def absent(self) -> float:
        """The value that stands for it where it is left out."""
        if self.nothing is not None:
            return self.nothing
        return 0.0 if self.classes is None else self.classes

    def described(self) -> dict[str, Any]:
        """The declaration as JSON has it."""
        return {
            "means": self.means,
            "shape": list(self.shape),
            "dtype": self.dtype,
            "classes": self.classes,
            "bounds": list(self.bounds) if self.bounds else None,
            "text": self.text,
            "optional": self.optional,
        }

    # ---- values -----------------------------------------------------------------------------------

    def rows(self, name: str, value: Any, n: int) -> np.ndarray:
        """One value for all, or one for each example, as an array with one for each.

        Args:
            name: Of the condition.
            value: A number, text, list, array or tensor: of `shape`, or `(n, *shape)`.
            n: How many examples.

        Returns:
            `(n, *shape)`, of `dtype`.

        Raises:
            ValueError: One line that begins with the name, or for a class with the name and the class.
        """
        values = self._array(name, value, n)
        if values.dtype.kind not in "biuf":
            raise ValueError(f"{name} must be {self._expected(n)}, not {shown(value)}")
        if values.shape == (n, 1) and not self.shape:  # as Keras' CIFAR files have labels
            values = values[:, 0]
        if values.shape not in (self.shape, (n, *self.shape)):
            given = shown(value) if values.ndim < 2 and not self.shape else f"{values.shape}"
            raise ValueError(f"{name} must be {self._expected(n)}, not {given}")
        self.check_values(name, values)
        return np.array(np.broadcast_to(values, (n, *self.shape)), self.dtype)

    def draw(self, name: str, n: int, seed: int) -> np.ndarray:
        """Classes drawn evenly, int32 `(n,)`; the first are those of a smaller `n`."""
        generator = np.random.default_rng([seed, zlib.crc32(name.encode())])
        return generator.integers(self.classes, size=n).astype("int32")

    def check_shape(self, name: str, given: tuple[int | None, ...], size: int) -> None:
        """Checks the shape of a batch's values, one for each of `size` examples; a column of numbers will do.

        Raises:
            ValueError: One line that begins with the name.
        """
        expected = (size, *self.shape)
        if given == expected or (not self.shape and given == (size, 1)):
            return
        one_hot = not self.shape and given == (size, self.classes)
        hint = f": from one-hot {name}s make numpy.argmax({name}s, axis=-1)" if one_hot else ""
        raise ValueError(
            f"{name}s must have the shape {expected}, one for each example, not {given}{hint}"
        )

    def check_values(self, name: str, values: np.ndarray) -> None:
        """Checks that values are classes of this condition, or real numbers within its bounds.

        Raises:
            ValueError: One line that begins with the name.
        """
        if self.classes is None:
            low, high = extent(name, values)
            if self.bounds and not within(self.bounds, low, high):
                lowest, highest = self.bounds
                raise ValueError(
                    f"{name} must be in [{lowest:g}, {highest:g}], got values from {low:g} to {high:g}"
                )
            return
        if values.dtype.kind not in "biuf" or not np.array_equal(values, np.floor(values)):
            numbers = values.dtype.kind in "biuf"
            wrong = _first(values, values % 1 != 0) if numbers else values.flat[0]
            raise ValueError(f"{name}s must be whole numbers, not {wrong!s}")
        outside = (values < 0) | (values >= self.classes)
        if outside.any():
            from_one = values.size > 1 and values.min() == 1 and values.max() == self.classes
            raise ValueError(
                f"{name} {_first(values, outside):g} is out of range: 0 to {self.classes - 1}"
                + (": these begin with 1, subtract 1" if from_one else "")
            )

    def _array(self, name: str, value: Any, n: int) -> np.ndarray:
        if self.text and isinstance(value, str):
            return captions.encode([value], *self.shape)[0]
        texts = isinstance(value, Sequence) and value and all(isinstance(v, str) for v in value)
        if self.text and texts:
            return captions.encode(value, *self.shape)
        try:
            return ops.convert_to_numpy(value) if ops.is_tensor(value) else np.asarray(value)
        except ValueError:
            raise ValueError(
                f"{name} must be {self._expected(n)}, not parts of several shapes"
            ) from None

    def _expected(self, n: int) -> str:
        numbers = "numbers" if self.classes is None else "integers"
        if self.shape:
            one = f"{numbers} of shape {self.shape}, or {(n, *self.shape)}"
            return f"text, {n} texts, or {one}" if self.text else one
        return f"{'a number' if self.classes is None else 'an integer'}, or {n} of them"


def _first(values: np.ndarray, where: np.ndarray) -> Any:
    return values[where].flat[0]


def listed(names: Mapping[str, Any] | Sequence[str]) -> str:
    """Names with commas between them; "nothing" for none."""
    return ", ".join(names) or "nothing"
