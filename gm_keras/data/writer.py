"""Writes a source as one `.npy` file per split and field, and its `dataset.json`."""

import hashlib
import io
import json
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from gm_keras.data.source import DataError, Field, Source
from gm_keras.data.splits import SPLITS
from gm_keras.data.spread import Spread

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
    counts = {split: counts[split] for split in SPLITS}
    files: Files = {}
    top = dict.fromkeys(source.images, 0)
    spread = Spread() if source.primary == "features" else None
    try:
        for split, rows in counts.items():
            files[split] = {
                field: _ArrayFile(folder / f"{split}_{field}.npy", spec, rows)
                for field, spec in source.fields.items()
            }
        with tqdm(
            total=sum(source.splits[split] for split in plan),
            desc=f"decoding {name}",
            unit=" tokens" if source.stream else " examples",
            # Without a terminal (a log file) a line every ten seconds is enough.
            mininterval=0.2 if sys.stderr.isatty() else 10.0,
        ) as bar:
            for split, parts in plan.items():
                _pour(source, split, parts, files, top, spread, bar)
    finally:
        for arrays in files.values():
            for array in arrays.values():
                array.file.close()
    checksums = {
        array.path.name: array.hash.hexdigest()
        for arrays in files.values()
        for array in arrays.values()
    }
    info = _describe(source, counts, top, spread, name, checksums)
    text = json.dumps(info, indent=2, ensure_ascii=False) + "\n"
    (folder / "dataset.json").write_text(text, encoding="utf-8")
    notes = spread.notes() if spread is not None else []
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
    top: dict[str, int],
    spread: Spread | None,
    bar: tqdm,
) -> None:
    """Copies one split of the source to its files; notes the highest pixel of each image field, and how
    features are spread.
    """
    announced = source.splits[split]
    target = np.empty(announced, "uint8")
    for part, rows in parts.items():
        target[rows] = SPLITS.index(part)
    seen = 0
    for example in source.read(split):
        read = len(example["tokens"]) if source.stream else 1
        if seen + read > announced:
            raise DataError(f"{split} has more than the {announced} examples it should have")
        if source.stream:
            goes = target[seen : seen + read]
            for index in np.unique(goes):
                files[SPLITS[index]]["tokens"].add(example["tokens"][goes == index])
        else:
            arrays = files[SPLITS[target[seen]]]
            for field, spec in source.fields.items():
                _check(example[field], field, spec, source, f"example {seen} of {split}")
                arrays[field].add(example[field])
            if spread is not None:
                spread.add(example["features"])
            for field in top:
                top[field] = max(top[field], int(example[field].max()))
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
    if field in source.images and spec.levels and value.max() >= spec.levels:
        raise DataError(
            f"{where}: a pixel of {field} is {value.max()}, but there are {spec.levels} levels "
            f"(0 to {spec.levels - 1})"
        )
    if field == "label" and not 0 <= value < len(source.class_names):
        raise DataError(f"{where}: label {value} is outside 0 to {len(source.class_names) - 1}")


def _describe(
    source: Source,
    counts: dict[str, int],
    top: dict[str, int],
    spread: Spread | None,
    name: str,
    checksums: dict[str, str],
) -> dict:
    levels = {field: spec.levels for field, spec in source.fields.items()}
    for field, highest in top.items():
        # Nothing but 0 and 1 is a binary image (binarized MNIST), not a nearly black one.
        levels[field] = levels[field] or (2 if highest <= 1 else 256)
    names = source.class_names
    info = {
        "name": name,
        "source": source.kind,
        "version": source.version,
        "primary": source.primary,
        "fields": {
            field: {"shape": list(spec.shape), "dtype": spec.dtype}
            | ({"levels": levels[field]} if levels[field] else {})
            for field, spec in source.fields.items()
        },
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
    if spread is not None:
        info["range"] = [float(spread.low.min()), float(spread.high.max())]
    if source.mixture is not None:
        info["mixture"] = source.mixture
    return info | {"checksums": dict(sorted(checksums.items()))}
