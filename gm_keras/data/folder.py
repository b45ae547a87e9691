"""A user's own images, or pairs of images, in a folder."""

import contextlib
import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps

from gm_keras.data.folder_captions import CAPTION, captions_beside
from gm_keras.data.source import DataError, Example, Field, Source, fit_square, natural
from gm_keras.data.splits import ALIASES
from gm_keras.fields import captions
from gm_keras.reading import FileError, check_file, shown

EXTENSIONS = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
GREY = ("1", "L", "LA", "La", "I", "I;16", "I;16B", "I;16L")
SIDEWAYS = (5, 6, 7, 8)
# Of EXIF: all but the one that says nothing.
TURNED = range(2, 9)
TRANSPARENT = "transparent"
SIDES = ("source", "target")

Labelled = list[tuple[Path, int | None]]
Background = Literal["white", "black"]


@dataclass
class _Found:
    """What the images of a folder are, by their headers.

    Attributes:
        grey: Whether all are.
        size: The (width, height) that each gets, or its halves get.
        kinds: How many there are of each kind.
        sizes: How many there are of each size.
        turned: How many a camera has turned.
    """

    grey: bool = True
    size: tuple[int, int] = (0, 0)
    kinds: Counter[str] = field(default_factory=Counter)
    sizes: Counter[tuple[int, int]] = field(default_factory=Counter)
    turned: int = 0

    def said(self, what: str, background: Background) -> str:
        """All of it in one line."""
        count = self.kinds.total()
        ordered = sorted(self.kinds.items(), key=lambda each: (-each[1], each[0]))
        kinds = [f"{number:,} {kind}" for kind, number in ordered]
        kind = f"all {next(iter(self.kinds))}" if len(kinds) == 1 else ", ".join(kinds)
        line = f"found {count:,} {what if count != 1 else what.removesuffix('s')}: {kind}"
        if len(self.kinds) > 1:
            line += f"; they become {'grey' if self.grey else 'RGB'}"
        if TRANSPARENT in self.kinds:
            line += f", on {background} where they are transparent"
        if self.turned:
            line += f"; {self.turned:,} turned as their EXIF says"
        if len(self.sizes) > 1:
            small, large = (
                choose(self.sizes, key=lambda size: size[0] * size[1]) for choose in (min, max)
            )
            line += (
                f"; {len(self.sizes):,} sizes from {small[0]} x {small[1]} to {large[0]} x {large[1]}, scaled and "
                f"cut to {self.size[0]} x {self.size[1]}"
            )
        return line


def folder_source(
    path: Path,
    image_size: int | None = None,
    pairs: str | None = None,
    background: Background = "white",
) -> Source:
    """Reads images: all in one folder, or one subfolder a class, or either below `train/`, ...

    The images become grey if all of them are, otherwise RGB; an animation becomes its first frame, and a
    camera's note on rotation is obeyed. How many there are of each kind and size is in the notes.

    Args:
        path: The folder. Labels follow the sorted names of the subfolders (2 before 10); subfolders
            `train`, `validation` and `test` are splits. Links to folders are followed; what is hidden
            is left out.
            A text file beside each image, cat.txt beside cat.png, is its caption.
        image_size: Scale and cut images to this height and width. Without it they must all have
            one size.
        pairs: `side_by_side` takes the left half of each image as `source` and the right one as
            `target`; `folders` takes the images of the subfolders `source` and `target` (or of
            those below `train/`, ...) that have the same name but for the extension. Sources and
            targets may have different sizes there, and one of them may be grey; there are no
            labels.
        background: What shows where images are transparent.

    Returns:
        The source. Its version is taken from the images' content.
    """
    if pairs == "folders":
        return _paired(path, image_size, background)
    notes: list[str] = []
    splits, names = _layout(path, notes)
    files = [file for entries in splits.values() for file, _ in entries]
    halves = pairs == "side_by_side"
    texts = {} if halves else captions_beside(files)
    found = _survey(files, image_size, halves)
    notes.append(found.said("images", background))
    spec = Field((found.size[1], found.size[0], 1 if found.grey else 3), "uint8", 256)
    fields = {"source": spec, "target": spec} if halves else {"image": spec}
    if texts:
        fields["caption"] = Field((max(1, *map(len, texts.values())),), "uint8", captions.LEVELS)
    if names is not None:
        fields["label"] = Field((), "int32")

    def read(split: str) -> Iterator[Example]:
        for file, label in splits[split]:
            picture = _picture(file, found.grey, background)
            if halves:
                width, height = picture.size
                left = picture.crop((0, 0, width // 2, height))
                right = picture.crop((width // 2, 0, width, height))
                example = {
                    "source": _pixels(left, image_size),
                    "target": _pixels(right, image_size),
                }
            else:
                example = {"image": _pixels(picture, image_size)}
            if texts:
                row = np.frombuffer(texts[file], "uint8")
                example["caption"] = np.pad(row, (0, fields["caption"].shape[0] - len(row)))
            yield example if label is None else {**example, "label": np.int32(label)}

    return Source(
        kind=f"folder:{shown(path.name)}",
        version=_digest([*files, *(file.with_suffix(CAPTION) for file in texts)], path),
        fields=fields,
        splits={split: len(entries) for split, entries in splits.items()},
        read=read,
        class_names=None if names is None else tuple(shown(name) for name in names),
        labels=None
        if names is None
        else lambda split: np.array([label for _, label in splits[split]], "int32"),
        notes=tuple(notes),
    )


def _paired(path: Path, image_size: int | None, background: Background) -> Source:
    notes: list[str] = []
    splits = _pair_layout(path, notes)
    sides = {
        side: [pair[number] for pairs in splits.values() for pair in pairs]
        for number, side in enumerate(SIDES)
    }
    surveys = {side: _survey(files, image_size) for side, files in sides.items()}
    notes += [found.said(f"{side}s", background) for side, found in surveys.items()]

    def read(split: str) -> Iterator[Example]:
        for pair in splits[split]:
            yield {
                side: _pixels(_picture(file, surveys[side].grey, background), image_size)
                for side, file in zip(SIDES, pair, strict=True)
            }

    return Source(
        kind=f"folder:{shown(path.name)}",
        version=_digest([file for files in sides.values() for file in files], path),
        fields={
            side: Field((found.size[1], found.size[0], 1 if found.grey else 3), "uint8", 256)
            for side, found in surveys.items()
        },
        splits={split: len(pairs) for split, pairs in splits.items()},
        read=read,
        notes=tuple(notes),
    )


def _pair_layout(path: Path, notes: list[str]) -> dict[str, list[tuple[Path, Path]]]:
    names = [folder.name.lower() for folder in _subfolders(path)]
    if "source" in names or "target" in names or not set(names) & set(ALIASES):
        return {"train": _partners(path, notes)}
    return {split: _partners(folder, notes) for split, folder in _split_folders(path).items()}


def _partners(path: Path, notes: list[str]) -> list[tuple[Path, Path]]:
    """The pairs of files of `source/` and `target/`, sorted by name."""
    found: dict[str, dict[str, Path]] = {}
    for side in SIDES:
        folder = path / side
        if not folder.is_dir():
            raise DataError(
                f"{shown(path)} has no {side}/: pairs: folders needs source/ and target/"
            )
        found[side] = {}
        for file in _images(folder, notes, deep=True):
            name = file.relative_to(folder).with_suffix("").as_posix()
            if name in found[side]:
                raise DataError(
                    f"{shown(file)} has the same name as {shown(found[side][name])}; keep one"
                )
            found[side][name] = file
    for side, other in (SIDES, SIDES[::-1]):
        alone = sorted(set(found[side]) - set(found[other]))
        if alone:
            raise DataError(
                f"{shown(found[side][alone[0]])} has no partner of that name in {shown(path / other)}"
            )
    if not found["source"]:
        raise DataError(f"{shown(path / 'source')} has no images ({', '.join(EXTENSIONS)})")
    return [(found["source"][name], found["target"][name]) for name in sorted(found["source"])]


def _layout(path: Path, notes: list[str]) -> tuple[dict[str, Labelled], tuple[str, ...] | None]:
    folders = _subfolders(path)
    found = [folder for folder in folders if folder.name.lower() in ALIASES]
    if not found:
        splits = {"train": _classes(path, notes)}
    elif len(found) < len(folders) or _images(path, notes):
        raise DataError(
            f"{shown(path)} has {shown(found[0].name)}/, which is a split, beside other images; put all "
            "of them below train/, validation/ or test/"
        )
    else:
        splits = {split: _classes(folder, notes) for split, folder in _split_folders(path).items()}
    names = tuple(splits["train"])
    # One subfolder is just a place to keep the images, not a class.
    if len(names) < 2 and all(tuple(classes) == names for classes in splits.values()):
        return {
            split: [(file, None) for files in classes.values() for file in files]
            for split, classes in splits.items()
        }, None
    for split, classes in splits.items():
        if ("" in classes) != ("" in names):
            raise DataError(
                f"{shown(path)}: the images of train/ and {split}/ must both have classes"
            )
        unknown = sorted(set(classes) - set(names))
        if unknown:
            raise DataError(
                f"{shown(path)}: class {shown(unknown[0])} of {split}/ is not in train/"
            )
    return {
        split: [(file, names.index(name)) for name, files in classes.items() for file in files]
        for split, classes in splits.items()
    }, names


def _split_folders(path: Path) -> dict[str, Path]:
    """The subfolders of a folder that are splits, by split."""
    splits: dict[str, Path] = {}
    for folder in _subfolders(path):
        split = ALIASES.get(folder.name.lower())
        if split in splits:
            raise DataError(
                f"{shown(path)} has two folders for {split}, one is {shown(folder.name)}/"
            )
        if split is not None:
            splits[split] = folder
    if "train" not in splits:
        raise DataError(f"{shown(path)} has {next(iter(splits.values())).name}/ but no train/")
    return splits


def _classes(path: Path, notes: list[str]) -> dict[str, list[Path]]:
    """The images of a folder by subfolder; those in the folder itself have the class ""."""
    direct = _images(path, notes)
    found = {folder: _images(folder, notes, deep=True) for folder in _subfolders(path)}
    classes = {folder.name: files for folder, files in found.items() if files}
    empty = [folder.name for folder, files in found.items() if not files]
    if direct and classes:
        raise DataError(
            f"{shown(path)} has images beside the subfolder {shown(next(iter(classes)))}/, which has "
            "images too; keep them all in the folder, or in one subfolder a class"
        )
    if not direct and not classes:
        raise DataError(f"{shown(path)} has no images ({', '.join(EXTENSIONS)})")
    if classes and empty:
        notes.append(
            f"{shown(path)}: no class for {', '.join(f'{shown(name)}/' for name in empty[:5])}"
            f"{' ...' if len(empty) > 5 else ''}: no images ({', '.join(EXTENSIONS)}) are in there"
        )
    return classes or {"": direct}


def _subfolders(path: Path) -> list[Path]:
    return sorted(
        (entry for entry in _entries(path) if entry.is_dir()),
        key=lambda entry: natural(entry.name),
    )


def _images(path: Path, notes: list[str], deep: bool = False) -> list[Path]:
    """The files in a folder that are images by their name; with `deep` those in its subfolders too."""
    resolved = path.resolve()
    around = tuple(_identity(each) for each in (path, *path.parents, resolved, *resolved.parents))
    images, waiting = [], [(path, around)]
    while waiting:
        folder, above = waiting.pop()
        for entry in _entries(folder):
            if not entry.is_dir():
                if entry.suffix.lower() in EXTENSIONS:
                    images.append(entry)
            elif deep:
                identity = _identity(entry)
                if identity in above:
                    notes.append(
                        f"{shown(entry)} leads back to a folder that it lies in: not followed"
                    )
                else:
                    waiting.append((entry, (*above, identity)))
    return sorted(images)


def _entries(path: Path) -> list[Path]:
    """What is in a folder and not hidden."""
    try:
        return sorted(entry for entry in path.iterdir() if not entry.name.startswith("."))
    except OSError as error:
        raise DataError(
            f"{shown(path)} cannot be read: {(error.strerror or str(error)).lower()}"
        ) from None


def _identity(path: Path) -> tuple[int, int]:
    """What a folder is known by, under whatever name."""
    status = path.stat()
    return status.st_dev, status.st_ino


def _survey(files: list[Path], image_size: int | None, halves: bool = False) -> _Found:
    """What the images are; reads their headers only."""
    found = _Found()
    first: tuple[Path, tuple[int, int]] | None = None
    for file in files:
        try:
            with _opened(file) as image:
                size = image.size
                orientation = image.getexif().get(0x0112)
                if orientation in SIDEWAYS:
                    size = size[::-1]
                found.turned += orientation in TURNED
                found.grey = found.grey and image.mode in GREY
                found.kinds[_kind(image)] += 1
        except Exception as error:  # each format has errors of its own
            raise _broken(file, error) from None
        if halves and size[0] % 2:
            raise DataError(
                f"pairs: side_by_side needs an even width, but {shown(file)} has {size[0]} x {size[1]} "
                "pixels"
            )
        found.sizes[size] += 1
        first = first or (file, size)
        if image_size is None and size != first[1]:
            raise DataError(
                f"images must have one size: {shown(first[0])} has {first[1][0]} x {first[1][1]} pixels, "
                f"{shown(file)} has {size[0]} x {size[1]}; resize them, or add image_size to the data "
                "set's entry under data: in params.yaml, for example image_size: 64"
            )
    width, height = first[1]
    found.size = (width // 2 if halves else width, height)
    if image_size is not None:
        found.size = (image_size, image_size)
    return found


def _kind(image: Image.Image) -> str:
    if image.has_transparency_data:
        return TRANSPARENT
    if image.mode == "P":
        return "with a palette"
    if image.mode.startswith("I"):
        return "grey of 16 bits"
    return "grey" if image.mode in GREY else image.mode


@contextlib.contextmanager
def _opened(file: Path) -> Iterator[Image.Image]:
    check_file(file)
    with warnings.catch_warnings():
        # Of large pictures, and of details that change no pixel.
        warnings.filterwarnings("ignore", module="PIL")
        with Image.open(file) as image:
            yield image


def _picture(file: Path, grey: bool, background: Background) -> Image.Image:
    try:
        with _opened(file) as image:
            return _plain(ImageOps.exif_transpose(image), grey, background)
    except Exception as error:
        raise _broken(file, error) from None


def _pixels(picture: Image.Image, image_size: int | None) -> np.ndarray:
    pixels = np.asarray(fit_square(picture, image_size) if image_size else picture)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _plain(image: Image.Image, grey: bool, background: Background) -> Image.Image:
    """An image as 8-bit grey or RGB, on the background where it was transparent."""
    if image.mode.startswith("I"):
        # 16-bit grey: Pillow's own conversion would cut everything above 255.
        pixels = (np.asarray(image).astype("int32") >> 8).clip(0, 255).astype("uint8")
        image = Image.fromarray(pixels)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        below = Image.new("RGBA", image.size, background)
        image = Image.alpha_composite(below, image)
    return image.convert("L" if grey else "RGB")


def _broken(file: Path, error: Exception) -> DataError:
    if isinstance(error, FileError | FileNotFoundError):
        return DataError(f"{error}: mend or remove it")
    # Pillow repeats the name of the file.
    reason = str(error).split(" '")[0].rstrip(":") if isinstance(error, OSError) else str(error)
    reason = " ".join(reason.split())[:200] or type(error).__name__
    return DataError(f"{shown(file)} is no whole image ({shown(reason)}): mend or remove it")


def _digest(files: list[Path], path: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(os.fsencode(file.relative_to(path).as_posix()))
        digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:12]
