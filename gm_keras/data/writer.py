"""Writes a source as one `.npy` file per split and field, and its `dataset.json`."""

import hashlib
import io
import json
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gm_keras.data.source import DataError, Field, Source
from gm_keras.data.splits import FURTHER, SPLITS
from gm_keras.data.spread import Offsets, Spread
from gm_keras.fields import scaling, strokes

# A nearest neighbour's neighbourhood takes so many test examples.
FEW = 4


class _ArrayFile:
    """A `.npy` file written row by row.

    Not a memory map: writing to one on a full disk kills the process instead of raising.
    """

    def __init__(self, path: Path, field: Field, rows: int):
        self.path, self.field = path, field
        self.hash = hashlib.sha256()
        self.file = path.open("wb")
        header = io.BytesIO()
        layout = {
            "descr": np.lib.format.dtype_to_descr(np.dtype(field.dtype)),
            "fortran_order": False,
            "shape": (rows, *field.shape),
        }
        np.lib.format.write_array_header_1_0(header, layout)
        self._write(header.getvalue())

    def add(self, row: np.ndarray) -> None:
        self._write(np.ascontiguousarray(row, self.field.dtype).tobytes())

    def _write(self, data: bytes) -> None:
        self.file.write(data)
        self.hash.update(data)


Files = dict[str, dict[str, _ArrayFile]]


class _Seen:
    """What is noted of the values while they are copied.

    Attributes:
        top: The highest value of each field of pixels or classes.
        spread: How features are spread; None for other data.
        offsets: How large the offsets of the drawings to train on are; None for other data.
    """

    def __init__(self, source: Source):
        self.top = {
            field: 0 for field in source.fields if scaling(field) == "pixels" or field == "mask"
        }
        self.spread = Spread() if source.primary == "features" else None
        self.offsets = Offsets() if source.primary == "strokes" else None

    def add(self, example: dict[str, np.ndarray], part: str) -> None:
        if self.spread is not None:
            self.spread.add(example["features"])
        if self.offsets is not None and part == "train":
            self.offsets.add(example["strokes"])
        for field in self.top:
            self.top[field] = max(self.top[field], int(example[field].max()))


def write(
    source: Source, plan: dict[str, dict[str, np.ndarray]], folder: Path, name: str
) -> list[str]:
    """Reads a source once and writes it; shows a progress bar on standard error.

    Args:
        source: What to read.
        plan: Which row goes where, from `splits.assign`.
        folder: An empty folder for the files. The same source and plan give the same bytes.
        name: The data set's name.

    Returns:
        What a user should know of the numbers: few examples, features of another scale.

    Raises:
        DataError: The data are unusable.
        OSError: The folder cannot be written.
    """
    counts = {split: len(rows) for parts in plan.values() for split, rows in parts.items()}
    counts = {split: counts[split] for split in (*SPLITS, *FURTHER) if split in counts}
    files: Files = {}
    noted = _Seen(source)
    try:
        for split, rows in counts.items():
            files[split] = {
                field: _ArrayFile(folder / f"{split}_{field}.npy", spec, rows)
                for field, spec in source.arrays.items()
            }
        with tqdm(
            total=sum(source.splits[split] for split in plan),
            desc=f"decoding {name}",
            unit=" tokens" if source.stream else " examples",
            # Without a terminal (a log file) a line every ten seconds is enough.
            mininterval=0.2 if sys.stderr.isatty() else 10.0,
        ) as bar:
            for split, parts in plan.items():
                _pour(source, split, parts, files, noted, bar)
    finally:
        for arrays in files.values():
            for array in arrays.values():
                array.file.close()
    checksums = {
        array.path.name: array.hash.hexdigest()
        for arrays in files.values()
        for array in arrays.values()
    }
    info = _describe(source, counts, noted, name, checksums)
    text = json.dumps(info, indent=2, ensure_ascii=False) + "\n"
    (folder / "dataset.json").write_text(text, encoding="utf-8")
    # The columns of a table are standardized, and rare categories vary little.
    notes = noted.spread.notes() if noted.spread is not None and source.table is None else []
    if not source.stream and counts["test"] < FEW:
        notes.append(
            f"{counts['train']} examples to train on, {counts['validation']} to validate, {counts['test']} to "
            f"test: most scores need at least {FEW} to test, and a system without a likelihood cannot be "
            "measured with fewer; add examples, or take a larger part for test:"
        )
    return notes


def _pour(
    source: Source,
    split: str,
    parts: dict[str, np.ndarray],
    files: Files,
    noted: _Seen,
    bar: tqdm,
) -> None:
    """Copies one split of the source to its files; notes what there is to say of its values."""
    announced = source.splits[split]
    names = tuple(parts)
    target = np.empty(announced, "uint8")
    for number, rows in enumerate(parts.values()):
        target[rows] = number
    seen = 0
    for example in source.read(split):
        read = len(example["tokens"]) if source.stream else 1
        if seen + read > announced:
            raise DataError(f"{split} has more than the {announced} examples it should have")
        if source.stream:
            goes = target[seen : seen + read]
            for index in np.unique(goes):
                files[names[index]]["tokens"].add(example["tokens"][goes == index])
        else:
            part = names[target[seen]]
            for field, spec in source.arrays.items():
                _check(example[field], field, spec, source, f"example {seen} of {split}")
                files[part][field].add(example[field])
            noted.add(example, part)
        seen += read
        bar.update(read)
    if seen < announced:
        raise DataError(f"{split} has only {seen} of the {announced} examples it should have")


def _check(value: np.ndarray, field: str, spec: Field, source: Source, where: str) -> None:
    value = np.asarray(value)
    if value.shape != spec.shape:
        raise DataError(f"{where}: {field} has shape {value.shape}, the others {spec.shape}")
    if field == "features" and not np.isfinite(value).all():
        raise DataError(f"{where}: a feature is NaN or infinite; mend or remove the example")
    pixels = scaling(field) == "pixels" or field == "mask"
    if pixels and spec.levels and value.max() >= spec.levels:
        raise DataError(
            f"{where}: a pixel of {field} is {value.max()}, but there are {spec.levels} levels "
            f"(0 to {spec.levels - 1})"
        )
    if field == "strokes":
        try:
            strokes.check(value[None])
        except ValueError as error:
            raise DataError(f"{where}: {error}") from None
    if field == "label" and not 0 <= value < len(source.class_names):
        raise DataError(f"{where}: label {value} is outside 0 to {len(source.class_names) - 1}")


def _describe(
    source: Source,
    counts: dict[str, int],
    noted: _Seen,
    name: str,
    checksums: dict[str, str],
) -> dict:
    levels = {field: spec.levels for field, spec in source.fields.items()}
    for field, highest in noted.top.items():
        # Nothing but 0 and 1 is a binary image (binarized MNIST), not a nearly black one.
        told = max(2, highest + 1) if field == "mask" else 2 if highest <= 1 else 256
        levels[field] = levels[field] or told
    names = source.class_names
    fields = {
        field: _layout(spec) | ({"levels": levels[field]} if levels[field] else {})
        for field, spec in source.fields.items()
    }
    if noted.offsets is not None:
        fields["strokes"]["scale"] = noted.offsets.deviation
    info = {
        "name": name,
        "source": source.kind,
        "version": source.version,
        "primary": source.primary,
        "fields": fields,
        "splits": counts,
        "levels": levels[source.primary],
        "num_classes": None if names is None else len(names),
        "class_names": None if names is None else list(names),
    }
    if source.primary == "tokens":
        info["stream"] = source.stream
    if source.vocabulary is not None:
        info["vocabulary"] = source.vocabulary
    if source.sample_rate is not None:
        info["sample_rate"] = source.sample_rate
    if noted.spread is not None:
        info["range"] = [float(noted.spread.low.min()), float(noted.spread.high.max())]
    if source.mixture is not None:
        info["mixture"] = source.mixture
    if source.table is not None:
        info["table"] = source.table.described()
    if source.attributes:
        info["attributes"] = {name: _layout(spec) for name, spec in source.attributes.items()}
    return info | {"checksums": dict(sorted(checksums.items()))}


def _layout(spec: Field) -> dict:
    names = {} if spec.names is None else {"names": list(spec.names)}
    return {"shape": list(spec.shape), "dtype": spec.dtype} | names
