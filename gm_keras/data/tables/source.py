"""A user's own table: numbers and categories in columns, which become vectors."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa

from gm_keras.data.source import DataError, Example, Field, Source, digest
from gm_keras.data.splits import ALIASES, SPLITS, assign
from gm_keras.data.tables import files as table_files
from gm_keras.data.tables.columns import Values, check_missing, choose, listed, read_column
from gm_keras.data.tables.options import Options
from gm_keras.data.tables.statistics import fitted
from gm_keras.fields.table import Table
from gm_keras.reading import shown


@dataclass(frozen=True)
class Outline:
    """What is known of a table before it is read.

    Attributes:
        kinds: Of each column, "number" or "category", in their order.
        rows: How many; None for a CSV file, which does not say it.
    """

    kinds: dict[str, Literal["number", "category"]]
    rows: int | None


def outline(path: Path, rows: int = 1000) -> Outline:
    """Looks at the beginning of a table.

    Args:
        path: A CSV or Parquet file, or a folder with one for each split.
        rows: Look at so many rows.

    Raises:
        DataError: It is no table.
    """
    file = _files(path)["train"]
    table = table_files.read(file, rows)
    kinds = {
        name: "category" if read_column(name, table[name], (), file).numbers is None else "number"
        for name in table.column_names
    }
    return Outline(kinds, table_files.count_rows(file))


def table_source(
    path: Path, options: Options, *, validation: float = 0.1, test: float = 0.1, seed: int = 0
) -> Source:
    """Reads a table, and cuts it into splits.

    Args:
        path: A CSV or Parquet file with a header; or a folder with `train.csv` and, if there are, `validation.csv` and
            `test.csv`.
        options: Which columns, and how.
        validation: The part of the rows that becomes `validation`, if there is no such file.
        test: Likewise for `test`.
        seed: Chooses the rows.

    Returns:
        The source, with all splits. Its version is taken from the content.
    """
    files = _files(path)
    columns, counts = _read(files, options, path)
    check_missing(columns, options, path)
    label = next((column for column in columns if column.name == options.label), None)
    of_train = slice(0, counts["train"])
    plan = assign(counts, validation, test, seed, None if label is None else label.places[of_train])
    rows = _rows(plan, counts)
    made, notes = fitted(columns, rows, options, path)
    table = Table(columns=[column for column, _ in made], label=options.label)
    values = {column.name: values for column, values in made}

    def read(split: str) -> Iterator[Example]:
        for start in range(0, len(rows[split]), 4096):
            part = rows[split][start : start + 4096]
            # Ranks are those of the row, whatever the splits are.
            drawn = int(np.random.SeedSequence([seed, int(part[0])]).generate_state(1)[0])
            features = table.encode(
                {column.name: values[column.name][part] for column in table.modelled}, drawn
            )
            for place, row in enumerate(features):
                example: Example = {"features": row}
                if label is not None:
                    example["label"] = values[label.name][part[place]]
                yield example

    fields = {"features": Field((table.size,), "float32")}
    if label is not None:
        fields["label"] = Field((), "int32")
    return Source(
        kind=f"table:{shown(path.name)}",
        version=_version(files),
        fields=fields,
        splits={split: len(part) for split, part in rows.items()},
        read=read,
        class_names=None if label is None else tuple(table.label_column.values),
        labels=None if label is None else partial(_of_rows, values[label.name], rows),
        notes=tuple(notes),
        table=table,
    )


def _of_rows(values: np.ndarray, rows: dict[str, np.ndarray], split: str) -> np.ndarray:
    return values[rows[split]].astype("int32")


def _files(path: Path) -> dict[str, Path]:
    """The file of each split; one that is not cut yet is `train`."""
    if not path.is_dir():
        return {"train": path}
    files: dict[str, Path] = {}
    for file in sorted(path.iterdir()):
        split = ALIASES.get(file.name.partition(".")[0].lower())
        if split in SPLITS and table_files.is_table(file):
            if split in files:
                raise DataError(
                    f"{shown(path)} has two tables for {split}, one is {shown(file.name)}"
                )
            files[split] = file
    if "train" not in files:
        raise DataError(f"{shown(path)} has no train.csv or train.parquet")
    return {split: files[split] for split in SPLITS if split in files}


def _version(files: dict[str, Path]) -> str:
    if len(files) == 1:
        return digest(files["train"])
    parts = " ".join(f"{split} {digest(file)}" for split, file in files.items())
    return hashlib.sha256(parts.encode()).hexdigest()[:12]


def _rows(plan: dict[str, dict[str, np.ndarray]], counts: dict[str, int]) -> dict[str, np.ndarray]:
    """For each split the rows of all files end to end."""
    starts = dict(zip(counts, np.cumsum([0, *counts.values()]).tolist(), strict=False))
    rows = {
        split: starts[file] + part for file, parts in plan.items() for split, part in parts.items()
    }
    return {split: rows[split] for split in SPLITS}


def _read(
    files: dict[str, Path], options: Options, path: Path
) -> tuple[list[Values], dict[str, int]]:
    """The columns of all files, which are put end to end, and the rows of each file."""
    tables = {split: table_files.read(file) for split, file in files.items()}
    names = choose(tables["train"].column_names, options, path)
    for split, table in tables.items():
        absent = [name for name in names if name not in table.column_names]
        if absent:
            raise DataError(
                f"{shown(files[split])} has no column {listed(absent)}, which train has"
            )
    codes = {*options.categories} | ({options.label} if options.label else set())
    columns = []
    for name in names:
        parts = [table[name] for table in tables.values()]
        if len({part.type for part in parts}) > 1:
            kinds = ", ".join(f"{split} {table[name].type}" for split, table in tables.items())
            raise DataError(f"{shown(path)}: column {shown(name)} differs in type: {kinds}")
        joined = pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)
        columns.append(read_column(name, joined, codes, path))
    return columns, {split: table.num_rows for split, table in tables.items()}
