"""What a user tells a system on the command line: `--label cat`, `--caption "a red star"`, `--condition mask=mask.png`."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.shared import labels
from pipelines.shared.errors import UserError, printable

if TYPE_CHECKING:
    from gm_keras.core import Condition


def gathered(
    label: str | None, caption: str | None = None, others: Sequence[str] = ()
) -> dict[str, str]:
    """The words of the command line by the names of conditions.

    Raises:
        UserError: One of the others is no NAME=VALUE, or a condition is given twice.
    """
    given = {"label": label, "caption": caption}
    given = {name: word for name, word in given.items() if word is not None}
    for each in others:
        name, equals, word = each.partition("=")
        if not (equals and name.isidentifier()):
            raise UserError(
                f'--condition expects NAME=VALUE, such as label=3, not "{printable(each)}"'
            )
        if name in given:
            raise UserError(f'the condition "{name}" is given twice: keep one')
        given[name] = word
    return given


def values(model: Any, given: Mapping[str, str], names: Sequence[str], data: str) -> dict[str, Any]:
    """The words as values that the model takes.

    Args:
        model: A `GenerativeModel`; it refuses by itself what is none of its conditions.
        given: As `gathered` returns it.
        names: Of the classes in their order; empty where they are not known.
        data: The data set's name, for errors.

    Raises:
        UserError: A word cannot be read.
    """
    read = {}
    for name, word in given.items():
        condition = model.conditions.get(name)
        if name == "label":
            read[name] = labels.number(word, names, data)
        elif condition is None or condition.text:
            read[name] = word
        elif condition.shape:
            read[name] = _array(name, Path(word), condition)
        else:
            read[name] = _number(name, word)
    return read


def said(values: Mapping[str, Any], given: Mapping[str, str], names: Sequence[str]) -> str | None:
    """What the samples were told, for the user: `label 2 ("cat")`; None for nothing."""
    words = [
        labels.told(value, names) if name == "label" else f"{name} {printable(given[name])!r}"
        for name, value in values.items()
    ]
    return ", ".join(words) or None


def _number(name: str, word: str) -> float:
    try:
        return float(word)
    except ValueError:
        raise UserError(f'--condition {name}: expected a number, not "{printable(word)}"') from None


def _array(name: str, path: Path, condition: "Condition") -> np.ndarray:
    """An array of a file: as it is, or the pixels of an image, in the range of the condition."""
    channels = condition.shape[-1] if len(condition.shape) == 3 else 1
    array, pixels = read(f"--condition {name}={printable(str(path))}", path, channels)
    return array / 127.5 - 1.0 if pixels and not condition.classes else array


def read(where: str, path: Path, channels: int) -> tuple[np.ndarray, bool]:
    """Reads an array of a `.npy` file, or the pixels of an image `(height, width, channels)`.

    Args:
        where: What errors call the file.
        path: The file.
        channels: Of an image; 3 for colours, anything else for grey levels.

    Returns:
        The array, and whether it is of pixels: from 0 to 255.

    Raises:
        UserError: The file is not there, or cannot be read.
    """
    from PIL import Image

    if not path.is_file():
        raise UserError(f"{where}: there is no such file")
    try:
        if path.suffix.lower() == ".npy":
            return np.load(path, allow_pickle=False), False
        with Image.open(path) as picture:
            pixels = np.asarray(picture.convert("RGB" if channels == 3 else "L"))
    except Exception as error:  # PIL and NumPy raise anything for a file that is none of theirs
        raise UserError(f"{where} cannot be read: {' '.join(str(error).split())}") from None
    return pixels.reshape(*pixels.shape[:2], -1), True
