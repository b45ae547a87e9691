"""Arrays of a user's file that are neither images, vectors, tokens nor recordings: how each becomes a field."""

from collections.abc import Callable
from functools import partial

import numpy as np

from gm_keras.data.source import DataError, Field, fit_square_array, natural
from gm_keras.fields import captions, strokes

Column = tuple[Field, dict[str, np.ndarray], Callable[[np.ndarray, str], np.ndarray]]

#: Of a mask, stored as uint8.
MOST_CLASSES = 256


def caption(splits: dict[str, np.ndarray], where: str) -> Column:
    """Captions: strings of (n,)."""
    rows: dict[str, np.ndarray] = {}
    for split, values in splits.items():
        if values.ndim != 1 or values.dtype.kind != "U":
            raise DataError(
                f"{where} ({split}): captions are strings of shape (n,), not {values.dtype} of shape "
                f"{values.shape}"
            )
        try:
            rows[split] = captions.encode(values.tolist())
        except ValueError as error:
            raise DataError(f"{where} ({split}): {error}") from None
    length = max(max(each.shape[1] for each in rows.values()), 1)
    spec = Field((length,), "uint8", captions.LEVELS)
    return spec, rows, lambda row, _: np.pad(row, (0, length - len(row)))


def mask(splits: dict[str, np.ndarray], where: str, image_size: int | None) -> Column:
    """Masks: a class from 0 for each pixel, integers of (n, height, width) or (n, height, width, 1)."""
    for split, values in splits.items():
        if values.dtype.kind not in "iub" or values.ndim not in (3, 4) or 0 in values.shape:
            raise DataError(
                f"{where} ({split}): masks are integers of shape (n, height, width), not {values.dtype} of "
                f"shape {values.shape}"
            )
        if values.ndim == 4 and values.shape[-1] != 1:
            raise DataError(
                f"{where} ({split}): a mask has one class for each pixel, not {values.shape[-1]}: with one-hot "
                "classes take .argmax(-1)"
            )
        if not 0 <= values.min() <= values.max() < MOST_CLASSES:
            wrong = values.min() if values.min() < 0 else values.max()
            raise DataError(
                f"{where} ({split}): the classes of masks are 0 to {MOST_CLASSES - 1}, found {wrong}"
            )
    rows = {split: values.reshape(*values.shape[:3], 1) for split, values in splits.items()}
    shape = _common(rows, where)
    levels = max(2, 1 + max(int(values.max()) for values in rows.values()))
    if image_size is None:
        return Field(shape, "uint8", levels), rows, _as_it_is
    return (
        Field((image_size, image_size, 1), "uint8", levels),
        rows,
        lambda row, _: fit_square_array(row.astype("uint8"), image_size, classes=True),
    )


def drawings(splits: dict[str, np.ndarray], lengths: dict[str, np.ndarray], where: str) -> Column:
    """Strokes: (n, length, 3 or 5), or (points, 3) end to end with the length of each."""
    rows: dict[str, np.ndarray] = {}
    for split, values in splits.items():
        try:
            if values.dtype.kind not in "iuf":
                raise ValueError(f"strokes are numbers, not {values.dtype}")
            if split in lengths:
                values = strokes.joined(values, lengths[split])
            if values.ndim != 3 or values.shape[-1] not in (3, 5) or 0 in values.shape:
                raise ValueError(
                    "strokes have the shape (n, length, 3 or 5), or (points, 3) with an array lengths, not "
                    f"{values.shape}"
                )
            values = strokes.from_one_hot(values) if values.shape[-1] == 5 else values
            strokes.check(values)
        except ValueError as error:
            raise DataError(f"{where} ({split}): {error}") from None
        rows[split] = values
    length = max(values.shape[1] for values in rows.values())
    filling = np.array([[0.0, 0.0, strokes.ENDED]], "float32")
    return (
        Field((length, 3), "float32"),
        rows,
        lambda row, _: np.concatenate([row, filling.repeat(length - len(row), axis=0)]),
    )


def pixels(name: str, splits: dict[str, np.ndarray], where: str, length: int | None) -> Column:
    """Video (n, frames, height, width, 1 or 3) or voxels (n, depth, height, width, 1 or 3); one channel may be left out.

    Args:
        name: `video` or `voxels`.
        splits: uint8, or bool.
        where: What errors call the file.
        length: Cut videos to so many frames, or repeat the last one.
    """
    rows: dict[str, np.ndarray] = {}
    first = "frames" if name == "video" else "depth"
    for split, values in splits.items():
        if values.dtype not in (np.uint8, np.bool_):
            raise DataError(
                f"{where} ({split}): {name} must be uint8 with values 0 to 255 (or bool), not {values.dtype}"
            )
        values = values[..., None] if values.ndim == 4 else values
        if values.ndim != 5 or values.shape[-1] not in (1, 3) or 0 in values.shape:
            raise DataError(
                f"{where} ({split}): {name} has the shape (n, {first}, height, width) or (n, {first}, height, "
                f"width, 1 or 3), not {values.shape}"
            )
        rows[split] = values
    shape = _common(rows, where)
    levels = 2 if all(values.dtype == bool for values in rows.values()) else None
    if length is None:
        return Field(shape, "uint8", levels), rows, _as_it_is
    spec = Field((length, *shape[1:]), "uint8", levels)
    return spec, rows, partial(_frames, length)


def attribute(name: str, splits: dict[str, np.ndarray], where: str) -> Column:
    """Attributes: numbers of (n, ...), or strings of (n,)."""
    kinds = {values.dtype.kind for values in splits.values()}
    if kinds == {"U"}:
        if any(values.ndim != 1 for values in splits.values()):
            raise DataError(f"{where}: attribute {name}: strings have the shape (n,)")
        every = np.unique(np.concatenate(list(splits.values())))
        names = tuple(sorted(every.tolist(), key=natural))
        place = {each: number for number, each in enumerate(names)}
        rows = {
            split: np.array([place[each] for each in values.tolist()], "int32")
            for split, values in splits.items()
        }
        return Field((), "int32", names=names), rows, _as_it_is
    if not kinds <= set("iubf"):
        raise DataError(
            f"{where}: attribute {name} must be numbers or strings, not of kind {kinds}"
        )
    shape = _common(splits, f"{where}: attribute {name}")
    if "f" in kinds:
        return Field(shape, "float32"), splits, _as_it_is
    bounds = np.iinfo("int32")
    if any(v.size and not bounds.min <= v.min() <= v.max() <= bounds.max for v in splits.values()):
        raise DataError(f"{where}: attribute {name} has integers of more than 32 bits")
    return Field(shape, "int32"), splits, _as_it_is


def _frames(length: int, row: np.ndarray, where: str) -> np.ndarray:
    del where
    return row[np.minimum(np.arange(length), len(row) - 1)]


def _common(splits: dict[str, np.ndarray], where: str) -> tuple[int, ...]:
    """The shape of one example, the same in every split."""
    shapes = {values.shape[1:] for values in splits.values()}
    if len(shapes) > 1:
        told = ", ".join(f"{split} {values.shape}" for split, values in splits.items())
        raise DataError(f"{where}: the splits differ in shape or type: {told}")
    return shapes.pop()


def _as_it_is(row: np.ndarray, where: str) -> np.ndarray:
    del where
    return row
