"""A user's own arrays: an `.npz` file of images or vectors with labels, or a bare `.npy` file."""

import hashlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from gm_keras.data.source import DataError, Example, Field, Source, fit_square_array
from gm_keras.data.splits import ALIASES

DATA = ("image", "images", "features", "x", "data")
LABELS = ("label", "labels", "y")
KEYS = (
    "expected image (or x) and, if there are labels, label (or y), each also as train_..., "
    "validation_... and test_..."
)

Splits = dict[str, dict[str, np.ndarray]]


def array_source(path: Path, image_size: int | None = None) -> Source:
    """Reads arrays of images or vectors.

    Images are uint8 (or bool) of (n, height, width) or (n, height, width, 1 or 3); vectors are
    floats of (n, features). Labels are integers from 0, or strings.

    Args:
        path: An `.npz` file with arrays `image` (or `x`) and perhaps `label` (or `y`), all named
            `train_image`, `test_image`, ... if it has splits of its own (`x_train` as in Keras'
            files will do); or an `.npy` file with images or vectors alone.
        image_size: Scale and cut images to this height and width.

    Returns:
        The source. Its version is taken from the file's content.
    """
    splits = _load(path)
    data = {split: _data(arrays["data"], f"{path} ({split})") for split, arrays in splits.items()}
    kinds = {(values.shape[1:], values.dtype.kind) for values in data.values()}
    if len(kinds) > 1:
        shapes = ", ".join(f"{split} {values.shape}" for split, values in data.items())
        raise DataError(f"{path}: the splits differ in shape or type: {shapes}")
    bits = next(iter(data.values())).dtype == bool
    if bits and image_size is not None:
        raise DataError(f"{path}: image_size does not go with bool images; remove it")
    labels, names = _labels(splits, path)
    shape = next(iter(data.values())).shape[1:]
    if len(shape) == 3:
        if image_size is not None:
            shape = (image_size, image_size, shape[-1])
        fields = {"image": Field(shape, "uint8")}
    else:
        fields = {"features": Field(shape, "float32")}
    if labels is not None:
        fields["label"] = Field((), "int32")
    return Source(
        kind=f"folder:{path.name}",
        version=_digest(path),
        fields=fields,
        splits={split: len(values) for split, values in data.items()},
        read=partial(_read, data, labels, next(iter(fields)), image_size),
        levels=2 if bits else None,
        class_names=names,
    )


def _load(path: Path) -> dict[str, dict[str, np.ndarray]]:
    try:
        if path.suffix == ".npy":
            return {"train": {"data": np.load(path, mmap_mode="r", allow_pickle=False)}}
        with np.load(path, allow_pickle=False) as file:
            arrays = {key: file[key] for key in file.files}
    except ValueError as error:
        if "allow_pickle" in str(error) or "Object arrays" in str(error):
            raise DataError(
                f"{path} holds Python objects, which are not read (they could run code): save "
                "arrays of numbers"
            ) from None
        raise DataError(f"{path} is broken: {error}") from None
    except Exception as error:  # zipfile, zlib and numpy each have errors of their own
        raise DataError(f"{path} is broken or no {path.suffix} file: {error}") from None
    splits: Splits = {}
    for key, values in arrays.items():
        split, role = _role(key, path)
        if role in splits.setdefault(split, {}):
            raise DataError(f"{path}: two arrays say the same for {split}, one of them {key}")
        splits[split][role] = values
    for split, roles in splits.items():
        if "data" not in roles:
            raise DataError(f"{path} has labels but no image (or x) for {split}: {KEYS}")
    if "train" not in splits:
        raise DataError(f"{path} has no array image (or x, or train_image): {KEYS}")
    return splits


def _role(key: str, path: Path) -> tuple[str, str]:
    """From a key such as `image`, `train_image` or `y_test`: the split, and data or label."""
    for split, name in ALIASES.items():
        if key.startswith(f"{split}_"):
            key_of_split, split_name = key.removeprefix(f"{split}_"), name
            break
        if key.endswith(f"_{split}"):
            key_of_split, split_name = key.removesuffix(f"_{split}"), name
            break
    else:
        key_of_split, split_name = key, "train"
    if key_of_split in DATA:
        return split_name, "data"
    if key_of_split in LABELS:
        return split_name, "label"
    raise DataError(f'{path} has an array "{key}" of unknown use: {KEYS}')


def _data(values: np.ndarray, where: str) -> np.ndarray:
    if values.dtype == object:
        raise DataError(f"{where} holds Python objects: save arrays of numbers")
    if values.ndim in (3, 4):
        if values.dtype not in (np.uint8, np.bool_):
            raise DataError(
                f"{where}: images of shape {values.shape} must be uint8 with values 0 to 255 (or "
                f"bool), not {values.dtype}"
            )
        values = values[..., None] if values.ndim == 3 else values
        if values.shape[-1] not in (1, 3) or 0 in values.shape:
            raise DataError(
                f"{where}: images have the shape (n, height, width) or (n, height, width, 1 or "
                f"3), not {values.shape}"
            )
        return values
    if values.ndim == 2 and np.issubdtype(values.dtype, np.floating) and 0 not in values.shape:
        if not np.isfinite(values).all():
            row = int(np.argmin(np.isfinite(values).all(axis=1)))
            raise DataError(f"{where}: row {row} has a NaN or infinite value; mend or remove it")
        return values
    raise DataError(
        f"{where}: expected images (uint8, 3 or 4 dimensions) or vectors (floats, 2 dimensions), "
        f"not {values.dtype} of shape {values.shape}"
    )


def _labels(
    splits: Splits, path: Path
) -> tuple[dict[str, np.ndarray] | None, tuple[str, ...] | None]:
    given = {split: roles["label"] for split, roles in splits.items() if "label" in roles}
    if not given:
        return None, None
    for split, roles in splits.items():
        if split not in given:
            raise DataError(f"{path}: {split} has no labels, but {next(iter(given))} has")
        if given[split].shape != (len(roles["data"]),):
            raise DataError(
                f"{path}: {split} has {len(roles['data'])} examples, but labels of shape "
                f"{given[split].shape}; expected ({len(roles['data'])},)"
            )
    kinds = {values.dtype.kind for values in given.values()}
    if kinds == {"U"}:
        names, train = np.unique(given["train"]), {}
        for split, values in given.items():
            unknown = np.setdiff1d(values, names)
            if len(unknown):
                raise DataError(f'{path}: label "{unknown[0]}" of {split} is not in train')
            train[split] = np.searchsorted(names, values)
        return train, tuple(str(name) for name in names)
    if not kinds <= {"i", "u"}:
        found = next(values.dtype for values in given.values() if values.dtype.kind not in "iu")
        raise DataError(f"{path}: labels must be integers from 0 (or strings), not {found}")
    low = min(int(values.min()) for values in given.values())
    high = max(int(values.max()) for values in given.values())
    if low < 0 or high >= len(given["train"]):
        raise DataError(
            f"{path}: labels must be the classes 0, 1, 2, ...; found {low if low < 0 else high}"
        )
    return given, tuple(str(label) for label in range(high + 1))


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]


def _read(
    data: dict[str, np.ndarray],
    labels: dict[str, np.ndarray] | None,
    primary: str,
    image_size: int | None,
    split: str,
) -> Iterator[Example]:
    for row, values in enumerate(data[split]):
        if primary == "image":
            values = np.asarray(values, "uint8")
            values = fit_square_array(values, image_size) if image_size else values
        example = {primary: values}
        if labels is not None:
            example["label"] = labels[split][row]
        yield example
