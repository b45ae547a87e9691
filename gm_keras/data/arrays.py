"""A user's own arrays: an `.npz` file of fields by their names, or a bare `.npy` file of images or vectors."""

import math
import os
import re
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from gm_keras.data import array_fields
from gm_keras.data.audio import fitted
from gm_keras.data.classes import RENUMBER
from gm_keras.data.source import (
    DataError,
    Example,
    Field,
    Source,
    digest,
    fit_square_array,
    natural,
    token_dtype,
)
from gm_keras.data.splits import ALIASES
from gm_keras.fields import ATTRIBUTE, COMPANIONS, IMAGES, PRIMARY
from gm_keras.reading import FileError, check_file, shown

# What an array is for, by its name; `data` is an image or a vector, as its shape says.
ROLES = {
    "data": ("image", "images", "features", "x", "data"),
    "source": ("source", "sources"),
    "target": ("target", "targets"),
    "tokens": ("tokens",),
    "audio": ("audio",),
    "strokes": ("strokes",),
    "lengths": ("lengths",),
    "video": ("video", "videos"),
    "voxels": ("voxels",),
    "caption": ("caption", "captions"),
    "mask": ("mask", "masks"),
    "label": ("label", "labels", "y"),
}
# What comes with the field that is modelled.
EXTRA = (*COMPANIONS, "lengths")
# What describes a mixture that vectors were drawn from.
MIXTURE = ("centres", "deviation")
# The readers of a member's header, by the version of the format.
_HEADERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
# So many rows of a table are looked at together.
ROWS = 65_536
# The bytes of this machine's memory.
MEMORY = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
KEYS = (
    "expected image (or x), source and target, tokens, audio, strokes, video or voxels and, if there are, label "
    "(or y), caption, mask and attribute_NAME, each also as train_..., validation_... and test_..."
)

Splits = dict[str, dict[str, np.ndarray]]


@dataclass(frozen=True)
class _Column:
    """One field of a file: where its examples are, and how one becomes what is stored."""

    name: str
    spec: Field
    splits: dict[str, np.ndarray]
    convert: Callable[[np.ndarray, str], np.ndarray]


def array_source(
    path: Path,
    image_size: int | None = None,
    length: int | None = None,
    renumber: bool = False,
) -> Source:
    """Reads arrays of images, pairs of images, vectors, tokens, audio, strokes, video or voxels.

    Images are uint8 (or bool) of (n, height, width) or (n, height, width, 1 or 3); vectors are
    floats of (n, features); tokens are integers from 0 of (n, length); audio is int16, or floats
    in [-1, 1], of (n, samples); strokes are numbers of (n, length, 3 or 5), or of (points, 3) with `lengths` (n,);
    video and voxels are uint8 (or bool) of (n, frames or depth, height, width) and perhaps (..., 1 or 3). With them
    may come captions, strings of (n,), with images masks, integers from 0 of (n, height, width), and attributes,
    numbers or strings. Labels are integers from 0, or strings, of (n,) or (n, 1). Vectors drawn
    around known centres may come with `centres` (modes, features) and `deviation`, one number or one for each centre.

    Args:
        path: An `.npz` file with arrays `image` (or `x`), or `source` and `target`, or one of the other fields, and
            perhaps `label` (or `y`), `caption`, `mask` and `attribute_NAME`, all named `train_image`,
            `test_image`, ... if it has splits of its own (`x_train` as in Keras' files will do); or an `.npy` file
            with images or vectors alone.
        image_size: Scale and cut images to this height and width.
        length: Cut recordings to so many samples and videos to so many frames, or fill them up.
        renumber: Take integers of any kind as labels: the classes are those that there are, in their order.

    Returns:
        The source. Its version is taken from the file's content.
    """
    splits, mixture = _load(path)
    columns = []
    for role in next(iter(splits.values())):
        if role not in ("label", "lengths"):
            arrays = {split: roles[role] for split, roles in splits.items()}
            lengths = {
                split: roles["lengths"] for split, roles in splits.items() if "lengths" in roles
            }
            columns.append(_column(role, arrays, lengths, image_size, length, path))
    for option, value, wanted in (
        ("image_size", image_size, ("image", "source", "target")),
        ("length", length, ("audio", "video")),
    ):
        if value is not None and columns[0].name not in wanted:
            raise DataError(f"{path}: {option} does not go with {columns[0].name}; remove it")
    sizes = _sizes(columns, path)
    labels, names = _labels(splits, sizes, path, renumber)
    _check_masks(columns, path)
    _check_mixture(mixture, columns[0], path)
    specs = {column.name: column.spec for column in columns}
    fields = {name: spec for name, spec in specs.items() if not name.startswith(ATTRIBUTE)}
    attributes = {name: spec for name, spec in specs.items() if name.startswith(ATTRIBUTE)}
    if labels is not None:
        fields["label"] = Field((), "int32")
    return Source(
        kind=f"folder:{shown(path.name)}",
        version=digest(path),
        fields=fields,
        splits=sizes,
        read=partial(_read, columns, labels),
        class_names=names,
        labels=None if labels is None else labels.__getitem__,
        mixture={name: values.tolist() for name, values in mixture.items()} or None,
        attributes={name.removeprefix(ATTRIBUTE): spec for name, spec in attributes.items()},
    )


def _load(path: Path) -> tuple[Splits, dict[str, np.ndarray]]:
    """The arrays of a file by split and role, and those that describe a mixture."""
    try:
        check_file(path)
        with warnings.catch_warnings():
            # Of files from Python 2, which are read all the same.
            warnings.simplefilter("ignore", UserWarning)
            if path.suffix == ".npy":
                return {"train": {"data": np.lib.format.open_memmap(path, mode="r")}}, {}
            arrays = _members(path)
    except (DataError, FileError) as error:
        raise DataError(str(error)) from None
    except ValueError as error:
        if re.search("allow_pickle|Object arrays|Python objects", str(error)):
            raise DataError(
                f"{shown(path)} holds Python objects, which are not read (they could run code): save "
                "arrays of numbers"
            ) from None
        raise _broken(path, error) from None
    except Exception as error:  # zipfile, zlib and numpy each have errors of their own
        raise _broken(path, error) from None
    mixture = {name: arrays.pop(name) for name in MIXTURE if name in arrays}
    splits: Splits = {}
    for key, values in arrays.items():
        split, role = _role(key, path)
        if role in splits.setdefault(split, {}):
            raise DataError(f"{path}: two arrays say the same for {split}, one of them {key}")
        splits[split][role] = values
    for split, roles in splits.items():
        _check_roles(split, set(roles), path)
    if "train" not in splits:
        raise DataError(f"{path} has no array image (or x, or train_image): {KEYS}")
    for split, roles in splits.items():
        if set(roles) - {"label"} != set(splits["train"]) - {"label"}:
            raise DataError(
                f"{path}: the splits differ: train has {_listed(splits['train'])}, {split} has "
                f"{_listed(roles)}"
            )
    # What is modelled comes first.
    return {
        split: dict(sorted(roles.items(), key=lambda each: (_is_extra(each[0]), each[0])))
        for split, roles in splits.items()
    }, mixture


def _is_extra(role: str) -> bool:
    return role in EXTRA or role.startswith(ATTRIBUTE)


def _members(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an `.npz` file, once their sizes are seen to be what the file can hold."""
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        needed = sum(member.file_size for member in members)
        if needed > MEMORY:
            raise DataError(
                f"{shown(path)} holds {needed / 2**30:,.1f} GiB, and this machine has "
                f"{MEMORY / 2**30:,.1f} GiB of memory: save images or vectors as an .npy file"
            )
        for member in members:
            key = member.filename.removesuffix(".npy")
            if key in arrays:
                raise DataError(f"{shown(path)} has two arrays {shown(key)}; keep one")
            with archive.open(member) as file:
                _check_header(file, member.file_size)
            with archive.open(member) as file:
                arrays[key] = np.lib.format.read_array(file, allow_pickle=False)
                # What follows the last value: only at its end is a member's checksum compared.
                file.read(1)
    return arrays


def _check_header(file: IO[bytes], size: int) -> None:
    """Raises a `ValueError` for a header whose shape does not go with the size of the member."""
    version = np.lib.format.read_magic(file)
    if version not in _HEADERS:
        raise ValueError("it is of a kind that only structured arrays have")
    shape, _, dtype = _HEADERS[version](file)
    # A damaged header may ask for more memory than there is in the world.
    if not dtype.hasobject and file.tell() + math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"an array of {dtype} {shape} does not take {size} bytes")


def _broken(path: Path, error: Exception) -> DataError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return DataError(f"{shown(path)} is broken or no {path.suffix} file: {shown(reason)}")


def _check_mixture(mixture: dict[str, np.ndarray], column: _Column, path: Path) -> None:
    if not mixture:
        return
    shapes = {name: values.shape for name, values in mixture.items()}
    centres = shapes.get("centres", ())
    if (
        column.name != "features"
        or len(centres) != 2
        or centres[1:] != column.spec.shape
        or shapes.get("deviation") not in ((), centres[:1])
        or not all(np.isfinite(values).all() for values in mixture.values())
        or not (mixture["deviation"] > 0.0).all()
    ):
        raise DataError(
            f"{path}: a mixture of vectors of {column.spec.shape} has centres (modes, features) and a "
            f"deviation above 0 (one, or one for each mode), not {shapes}"
        )


def _check_roles(split: str, given: set[str], path: Path) -> None:
    roles = {role for role in given if not _is_extra(role)}
    if not roles:
        what = "labels" if "label" in given else sorted(given)[0]
        raise DataError(f"{path} has {what} but no image (or x) for {split}: {KEYS}")
    for extra, partner in (("mask", "data"), ("lengths", "strokes")):
        if extra in given and partner not in roles:
            told = "images" if partner == "data" else partner
            raise DataError(f"{path} has {extra} for {split}, which goes with {told}; remove it")
    for role, partner in (("source", "target"), ("target", "source")):
        if role in roles and partner not in roles:
            raise DataError(f"{path} has a {role} but no {partner} for {split}: pairs need both")
    if len(roles) > 1 and roles != {"source", "target"}:
        raise DataError(
            f"{path} has {_listed(roles)} for {split}: a data set has one of image, source and "
            f"target, {', '.join(name for name in PRIMARY if name not in IMAGES)}; keep the others in another file"
        )


def _listed(roles: set[str] | dict[str, np.ndarray]) -> str:
    return " and ".join("image (or x)" if role == "data" else role for role in sorted(roles))


def _role(key: str, path: Path) -> tuple[str, str]:
    """From a key such as `image`, `train_image` or `y_test`: the split, and what it is for."""
    for split, name in ALIASES.items():
        if key.startswith(f"{split}_"):
            key_of_split, split_name = key.removeprefix(f"{split}_"), name
            break
        if key.endswith(f"_{split}"):
            key_of_split, split_name = key.removesuffix(f"_{split}"), name
            break
    else:
        key_of_split, split_name = key, "train"
    for role, names in ROLES.items():
        if key_of_split in names:
            return split_name, role
    if key_of_split.startswith(ATTRIBUTE) and key_of_split.isidentifier():
        return split_name, key_of_split
    raise DataError(f'{path} has an array "{key}" of unknown use: {KEYS}')


def _column(
    role: str,
    arrays: dict[str, np.ndarray],
    lengths: dict[str, np.ndarray],
    image_size: int | None,
    length: int | None,
    path: Path,
) -> _Column:
    where = str(path)
    if role == "caption":
        return _Column(role, *array_fields.caption(arrays, where))
    if role == "mask":
        return _Column(role, *array_fields.mask(arrays, where, image_size))
    if role == "strokes":
        return _Column(role, *array_fields.drawings(arrays, lengths, where))
    if role in ("video", "voxels"):
        frames = length if role == "video" else None
        return _Column(role, *array_fields.pixels(role, arrays, where, frames))
    if role.startswith(ATTRIBUTE):
        name = role.removeprefix(ATTRIBUTE)
        return _Column(role, *array_fields.attribute(name, arrays, where))
    check = {"tokens": _tokens, "audio": _audio, "data": _data}.get(role, _images)
    splits = {split: check(values, f"{path} ({split})") for split, values in arrays.items()}
    kinds = {(values.shape[1:], values.dtype.kind) for values in splits.values()}
    if len(kinds) > 1:
        shapes = ", ".join(f"{split} {values.shape}" for split, values in splits.items())
        raise DataError(f"{path}: the splits differ in shape or type: {shapes}")
    train = splits["train"]
    shape = train.shape[1:]
    if role == "tokens":
        levels = 1 + max(int(values.max()) for values in splits.values())
        return _Column(role, Field(shape, token_dtype(levels), levels), splits, _as_it_is)
    if role == "audio":
        spec = Field((length or shape[0],), "int16")
        return _Column(role, spec, splits, lambda row, where: fitted(row, spec.shape[0], where))
    if len(shape) == 1:
        return _Column("features", Field(shape, "float32"), splits, _as_it_is)
    if train.dtype == bool and image_size is not None:
        raise DataError(f"{path}: image_size does not go with bool images; remove it")
    name = "image" if role == "data" else role
    levels = 2 if train.dtype == bool else None
    if image_size is None:
        return _Column(name, Field(shape, "uint8", levels), splits, _as_it_is)
    return _Column(
        name,
        Field((image_size, image_size, shape[-1]), "uint8"),
        splits,
        lambda row, where: fit_square_array(row, image_size),
    )


def _as_it_is(row: np.ndarray, where: str) -> np.ndarray:
    del where
    return row


def _numbers(values: np.ndarray, where: str) -> np.ndarray:
    if values.dtype == object:
        raise DataError(f"{where} holds Python objects: save arrays of numbers")
    return values


def _tokens(values: np.ndarray, where: str) -> np.ndarray:
    if values.ndim != 2 or values.dtype.kind not in "iu" or 0 in values.shape:
        raise DataError(
            f"{where}: tokens are integers of shape (n, length), not {values.dtype} of shape "
            f"{values.shape}"
        )
    if not 0 <= values.min() <= values.max() < 2**31 - 1:
        wrong = values.min() if values.min() < 0 else values.max()
        raise DataError(f"{where}: tokens are integers from 0 on, of 31 bits; found {wrong}")
    return values


def _audio(values: np.ndarray, where: str) -> np.ndarray:
    floating = np.issubdtype(_numbers(values, where).dtype, np.floating)
    # In either order of bytes.
    int16 = values.dtype.newbyteorder("=") == np.int16
    if values.ndim != 2 or 0 in values.shape or not (floating or int16):
        raise DataError(
            f"{where}: audio is int16, or floats in [-1, 1], of shape (n, samples), not "
            f"{values.dtype} of shape {values.shape}"
        )
    return values


def _images(values: np.ndarray, where: str) -> np.ndarray:
    if _numbers(values, where).dtype not in (np.uint8, np.bool_):
        raise DataError(
            f"{where}: images of shape {values.shape} must be uint8 with values 0 to 255 (or "
            f"bool), not {values.dtype}"
        )
    values = values[..., None] if values.ndim == 3 else values
    if values.ndim != 4 or values.shape[-1] not in (1, 3) or 0 in values.shape:
        raise DataError(
            f"{where}: images have the shape (n, height, width) or (n, height, width, 1 or "
            f"3), not {values.shape}"
        )
    return values


def _data(values: np.ndarray, where: str) -> np.ndarray:
    if _numbers(values, where).ndim in (3, 4):
        return _images(values, where)
    if values.ndim == 2 and np.issubdtype(values.dtype, np.floating) and 0 not in values.shape:
        for start in range(0, len(values), ROWS):
            # Stored as float32: what is finite in more bits may not be there.
            fine = (np.abs(values[start : start + ROWS]) <= np.finfo("float32").max).all(axis=1)
            if not fine.all():
                raise DataError(
                    f"{where}: row {start + int(np.argmin(fine))} has a NaN or infinite value, or one "
                    "beyond float32; mend or remove it"
                )
        return values
    raise DataError(
        f"{where}: expected images (uint8, 3 or 4 dimensions) or vectors (floats, 2 dimensions), "
        f"not {values.dtype} of shape {values.shape}"
    )


def _labels(
    splits: Splits, sizes: dict[str, int], path: Path, renumber: bool
) -> tuple[dict[str, np.ndarray] | None, tuple[str, ...] | None]:
    given = {split: roles["label"] for split, roles in splits.items() if "label" in roles}
    if not given:
        return None, None
    for split, size in sizes.items():
        if split not in given:
            raise DataError(f"{path}: {split} has no labels, but {next(iter(given))} has")
        # (n, 1) is how Keras' CIFAR has them.
        if given[split].shape not in ((size,), (size, 1)):
            raise DataError(
                f"{path}: {split} has {size} examples, but labels of shape {given[split].shape}; "
                f"expected ({size},)"
            )
    given = {split: values.reshape(-1) for split, values in given.items()}
    kinds = {values.dtype.kind for values in given.values()}
    if kinds == {"U"}:
        names = sorted({str(name) for name in given["train"]}, key=natural)
        return _numbered(given, names, path), tuple(names)
    if not kinds <= {"i", "u", "b"}:
        found = next(values.dtype for values in given.values() if values.dtype.kind not in "iub")
        raise DataError(
            f"{path}: labels must be integers from 0 (or strings), not {found}"
            + ("; save them with .astype(int)" if found.kind == "f" else "")
        )
    if renumber:
        classes = np.unique(given["train"]).tolist()
        return _numbered(given, classes, path), tuple(str(int(each)) for each in classes)
    low = min(int(values.min()) for values in given.values())
    high = max(int(values.max()) for values in given.values())
    if low < 0 or high >= len(given["train"]):
        raise DataError(
            f"{path}: labels must be the classes 0, 1, 2, ...; found {low if low < 0 else high}: {RENUMBER}"
        )
    return given, tuple(str(label) for label in range(high + 1))


def _numbered(
    given: dict[str, np.ndarray], classes: list[str] | list[int], path: Path
) -> dict[str, np.ndarray]:
    """Labels as places in a list of classes."""
    places = {each: place for place, each in enumerate(classes)}
    for split, values in given.items():
        unknown = next((each for each in values.tolist() if each not in places), None)
        if unknown is not None:
            raise DataError(f'{path}: label "{unknown}" of {split} is not in train')
    return {
        split: np.array([places[each] for each in values.tolist()], "int32")
        for split, values in given.items()
    }


def _sizes(columns: list[_Column], path: Path) -> dict[str, int]:
    """The examples of each split, of which every field has as many."""
    sizes = {}
    for split in columns[0].splits:
        given = {column.name: len(column.splits[split]) for column in columns}
        if len(set(given.values())) > 1:
            told = " and ".join(f"{size} in {name}" for name, size in given.items())
            raise DataError(f"{path}: {split} has {told}: each needs its partner")
        sizes[split] = given[columns[0].name]
    return sizes


def _check_masks(columns: list[_Column], path: Path) -> None:
    shapes = {column.name: column.spec.shape for column in columns}
    if "mask" in shapes and shapes["mask"][:2] != shapes.get("image", ())[:2]:
        raise DataError(
            f"{path}: a mask has a class for each pixel of its image, but masks are {shapes['mask']}, and "
            f"{columns[0].name} is {columns[0].spec.shape}"
        )


def _read(
    columns: list[_Column], labels: dict[str, np.ndarray] | None, split: str
) -> Iterator[Example]:
    for row in range(len(columns[0].splits[split])):
        where = f"example {row} of {split}"
        example = {
            column.name: column.convert(column.splits[split][row], where) for column in columns
        }
        if labels is not None:
            example["label"] = labels[split][row]
        yield example
