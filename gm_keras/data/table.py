"""A user's own table: numbers and categories in columns, which become vectors.

What is known of a column (mean, deviation, range, categories) is of the examples to train on alone.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gm_keras.data import table_files
from gm_keras.data.source import DataError, Example, Field, Source, digest, natural
from gm_keras.data.splits import ALIASES, SPLITS, assign
from gm_keras.fields.table import Category, Number, Quantile, Table
from gm_keras.reading import shown

# What stands for no number in a column of numbers; in other columns only an empty cell is missing.
MISSING = ("", "?", "NA", "N/A", "na", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>")
#: The most values of a category, by its codes: each has a feature of its own, or they share a few.
MOST_VALUES = {"one_hot": 256, "binary": 65_536}
#: So many values are kept of the distribution of a number; each is there so often, on average, or they are no heaps.
MOST_KNOTS, OFTEN = 1_000, 5
#: More decimals are the digits of a calculation.
MOST_DECIMALS = 6
# Above it a float is not every whole number.
_LARGEST = 2**53
_NAMED = 5


@dataclass(frozen=True)
class Options:
    """How a table is read.

    Attributes:
        columns: Only these; None for all.
        drop: Not these.
        label: The column that systems may be told, which is not modelled.
        categories: Columns of numbers that are codes.
        missing: `refuse`, or `impute`: the median of a number, the commonest value of a category.
        codes: Of categories: `one_hot` or `binary`.
        numbers: `standard`, or `quantile` for long tails and for values that most rows have.
    """

    columns: Sequence[str] | None = None
    drop: Sequence[str] = ()
    label: str | None = None
    categories: Sequence[str] = ()
    missing: Literal["refuse", "impute"] = "refuse"
    codes: Literal["one_hot", "binary"] = "one_hot"
    numbers: Literal["standard", "quantile"] = "standard"


@dataclass(frozen=True)
class Outline:
    """What is known of a table before it is read.

    Attributes:
        kinds: Of each column, "number" or "category", in their order.
        rows: How many; None for a CSV file, which does not say it.
    """

    kinds: dict[str, Literal["number", "category"]]
    rows: int | None


@dataclass(frozen=True)
class _Values:
    """A column as it was read: numbers, or texts by their place among those that there are."""

    name: str
    dtype: str
    missing: np.ndarray
    numbers: np.ndarray | None = None
    places: np.ndarray | None = None
    texts: tuple[str, ...] = ()
    #: Of a column of texts of which most are numbers: one that is none.
    odd: str | None = None

    def __len__(self) -> int:
        return len(self.missing)


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
        name: "category" if _column(name, table[name], (), file).numbers is None else "number"
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
    _check_missing(columns, options, path)
    label = next((column for column in columns if column.name == options.label), None)
    of_train = slice(0, counts["train"])
    plan = assign(counts, validation, test, seed, None if label is None else label.places[of_train])
    rows = _rows(plan, counts)
    made, notes = _fitted(columns, rows, options, path)
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


# ---- columns --------------------------------------------------------------------------------------


def _read(
    files: dict[str, Path], options: Options, path: Path
) -> tuple[list[_Values], dict[str, int]]:
    """The columns of all files, which are put end to end, and the rows of each file."""
    tables = {split: table_files.read(file) for split, file in files.items()}
    names = _chosen(tables["train"].column_names, options, path)
    for split, table in tables.items():
        absent = [name for name in names if name not in table.column_names]
        if absent:
            raise DataError(
                f"{shown(files[split])} has no column {_listed(absent)}, which train has"
            )
    codes = {*options.categories} | ({options.label} if options.label else set())
    columns = []
    for name in names:
        parts = [table[name] for table in tables.values()]
        if len({part.type for part in parts}) > 1:
            kinds = ", ".join(f"{split} {table[name].type}" for split, table in tables.items())
            raise DataError(f"{shown(path)}: column {shown(name)} differs in type: {kinds}")
        joined = pa.chunked_array([chunk for part in parts for chunk in part.chunks], parts[0].type)
        columns.append(_column(name, joined, codes, path))
    return columns, {split: table.num_rows for split, table in tables.items()}


def _chosen(names: list[str], options: Options, path: Path) -> list[str]:
    """The columns that are wanted, in the order of the file."""
    asked = {
        "columns": options.columns or (),
        "drop": options.drop,
        "categories": options.categories,
        "label": [options.label] if options.label else [],
    }
    for key, wanted in asked.items():
        for name in wanted:
            if name not in names:
                raise DataError(
                    f"{key}: {shown(path)} has no column {shown(name)!r}; it has {_listed(names, 20)}"
                )
    kept = [
        name
        for name in names
        if (options.columns is None or name in options.columns or name == options.label)
        and name not in options.drop
    ]
    for key in ("categories", "label"):
        for name in asked[key]:
            if name not in kept:
                raise DataError(
                    f"{key}: {shown(name)!r} is not among the columns that are kept: {_listed(kept, 20)}"
                )
    if not [name for name in kept if name != options.label]:
        raise DataError(f"{shown(path)}: no column is left to model: name some under columns:")
    return kept


def _column(
    name: str, values: pa.ChunkedArray, codes: Sequence[str] | set[str], path: Path
) -> _Values:
    """Reads one column; those of `codes` are categories whatever they hold."""
    kind = values.type
    if pa.types.is_dictionary(kind):
        values = values.cast(kind.value_type)
        kind = values.type
    if pa.types.is_decimal(kind):
        values, kind = values.cast(pa.float64()), pa.float64()
    if pa.types.is_boolean(kind):
        return _texts(name, values.cast(pa.string()), "bool")
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        return _of_texts(name, values, name in codes, path)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        dtype = kind.to_pandas_dtype()().dtype.name
        if name in codes:
            whole = pa.types.is_integer(kind)
            return _texts(name, values.cast(pa.string()), "int64" if whole else "float64")
        dtype = "float32" if dtype == "float16" else dtype
        return _numbers(name, values.cast(pa.float64(), safe=False), dtype, path)
    raise DataError(
        f"{shown(path)}: column {shown(name)} is of type {kind}: expected numbers, texts or true and false; "
        f"leave it out with drop: [{shown(name)}]"
    )


def _of_texts(name: str, values: pa.ChunkedArray, as_codes: bool, path: Path) -> _Values:
    """A column of texts, which are numbers if all of them are."""
    absent = pc.is_in(values, value_set=pa.array(MISSING, values.type))
    told = values.filter(pc.and_(pc.invert(absent), pc.is_valid(values)))
    whole = pc.all(pc.match_substring_regex(told, r"^[+-]?[0-9]{1,18}$"), min_count=0).as_py()
    try:
        read = told.cast(pa.float64())
    except pa.ArrowInvalid:
        read = None
    if read is None or not len(told):
        if pc.all(
            pc.is_in(told, value_set=pa.array(["true", "false"], values.type)), min_count=0
        ).as_py():
            return _texts(name, values, "bool" if len(told) else "string")
        return _texts(name, values, "string", odd=_odd(told))
    if as_codes:
        # A code such as 007 is a text: as a number it would come back as 7.
        plain = (
            whole
            and pc.all(
                pc.equal(told.cast(pa.int64()).cast(pa.string()), told.cast(pa.string()))
            ).as_py()
        )
        return _texts(
            name,
            pc.if_else(absent, pa.scalar("", values.type), values),
            "int64" if plain else "string",
        )
    filled = pc.if_else(absent, pa.scalar(None, values.type), values).cast(pa.float64())
    return _numbers(name, filled, "int64" if whole else "float64", path)


def _numbers(name: str, values: pa.ChunkedArray, dtype: str, path: Path) -> _Values:
    numbers = values.to_numpy()
    missing = np.isnan(numbers)
    infinite = int(np.isinf(numbers).sum())
    if infinite:
        raise DataError(
            f"{shown(path)}: column {shown(name)} has {infinite} infinite values: mend or remove the rows"
        )
    if np.issubdtype(dtype, np.integer) and (np.abs(numbers[~missing]) > _LARGEST).any():
        raise DataError(
            f"{shown(path)}: column {shown(name)} has whole numbers of more than 53 bits, as identifiers have: "
            f"leave it out with drop: [{shown(name)}]"
        )
    return _Values(name, dtype, missing, numbers=numbers)


def _texts(name: str, values: pa.ChunkedArray, dtype: str, odd: str | None = None) -> _Values:
    encoded = values.cast(pa.string()).combine_chunks().dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    places = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype("int64")
    missing = places < 0
    if "" in texts:
        missing |= places == texts.index("")
    return _Values(name, dtype, missing, places=places, texts=tuple(texts), odd=odd)


def _odd(told: pa.ChunkedArray) -> str | None:
    """A text that is no number, where most are."""
    number = pc.match_substring_regex(told, r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$")
    if 2 * (pc.sum(number).as_py() or 0) <= len(told):
        return None
    return told.filter(pc.invert(number))[0].as_py()


# ---- what is known of the examples to train on ----------------------------------------------------


def _check_missing(columns: list[_Values], options: Options, path: Path) -> None:
    counts = {column.name: int(column.missing.sum()) for column in columns}
    counts = {name: count for name, count in counts.items() if count}
    if options.label in counts:
        raise DataError(
            f"{shown(path)}: the label {shown(options.label)} is missing in {counts[options.label]:,} rows: "
            "remove them, or fill them in"
        )
    if counts and options.missing == "refuse":
        told = [f"{shown(name)} {count:,}" for name, count in counts.items()]
        raise DataError(
            f"{shown(path)}: missing values in {_listed(told, 20)} of {len(columns[0]):,} rows: fill them in, leave "
            "columns out with drop:, or add missing: impute to the data set's entry under data: in params.yaml "
            "(medians, and the commonest categories)"
        )


def _fitted(
    columns: list[_Values], rows: dict[str, np.ndarray], options: Options, path: Path
) -> tuple[list[tuple[Number | Category, np.ndarray]], list[str]]:
    """Each column as it is kept, with its values; and what there is to tell of them."""
    made, imputed = [], []
    for column in columns:
        fit = _number if column.numbers is not None else _category
        kept, values, count = fit(column, rows, options, path)
        made.append((kept, values))
        if count:
            imputed.append(f"{shown(column.name)} {count:,}")
    notes = []
    if imputed:
        notes.append(
            f"imputed with the median or the commonest category of the examples to train on: {_listed(imputed, 20)}"
        )
    return made, notes


def _number(
    column: _Values, rows: dict[str, np.ndarray], options: Options, path: Path
) -> tuple[Number, np.ndarray, int]:
    train = column.numbers[rows["train"]]
    known = train[~column.missing[rows["train"]]]
    if not len(known) or known.min() == known.max():
        raise _constant(column, f"{known[0]:g}" if len(known) else None, path)
    decimals = _decimals(known, column.dtype)
    median = float(np.median(known))
    values = np.where(
        column.missing, median if decimals is None else np.round(median, decimals), column.numbers
    )
    train = values[rows["train"]]
    told = {
        "name": column.name,
        "dtype": column.dtype,
        "mean": float(train.mean()),
        "deviation": float(train.std()),
        "low": float(known.min()),
        "high": float(known.max()),
        "decimals": decimals,
    }
    made = Quantile(**told, **_knots(train)) if options.numbers == "quantile" else Number(**told)
    return made, values, int(column.missing.sum())


def _knots(values: np.ndarray) -> dict[str, list[float]]:
    """The values that there are with their shares, where most are there often; else values at even ranks."""
    knots, counts = np.unique(values, return_counts=True)
    if len(knots) <= min(MOST_KNOTS, len(values) // OFTEN):
        return {"knots": knots.tolist(), "shares": np.round(counts / counts.sum(), 9).tolist()}
    ranks = np.linspace(0.0, 1.0, min(MOST_KNOTS, len(values)))
    return {"knots": np.quantile(values, ranks).tolist()}


def _decimals(values: np.ndarray, dtype: str) -> int | None:
    """The decimals with which all values are written; None for real numbers."""
    noise = (1e-7 if dtype == "float32" else 1e-14) * float(np.abs(values).max())
    for decimals in range(MOST_DECIMALS + 1):
        if noise > 0.01 * 10.0**-decimals:
            return None
        if (np.abs(values - np.round(values, decimals)) <= noise).all():
            return decimals
    return None


def _category(
    column: _Values, rows: dict[str, np.ndarray], options: Options, path: Path
) -> tuple[Category, np.ndarray, int]:
    places, missing = column.places, column.missing.copy()
    train = places[rows["train"]][~missing[rows["train"]]]
    counts = np.bincount(train, minlength=len(column.texts))
    names = sorted((column.texts[place] for place in np.flatnonzero(counts)), key=natural)
    is_label = column.name == options.label
    if len(names) < 2:
        raise _constant(column, names[0] if names else None, path)
    _check_count(column, len(names), len(train), options, path)
    place_of = {name: place for place, name in enumerate(names)}
    order = np.array([place_of.get(text, -1) for text in column.texts])
    codes = np.where(missing, -1, order[places])
    unknown = (codes < 0) & ~missing
    if unknown.any():
        if options.missing == "refuse" or is_label:
            raise _unknown(column, unknown, rows, is_label, path)
        missing |= unknown
    shares = counts[[column.texts.index(name) for name in names]]
    codes = np.where(missing, int(np.argmax(shares)), codes)
    made = Category(
        name=column.name,
        dtype=column.dtype,
        values=names,
        shares=np.round(shares / shares.sum(), 6).tolist(),
        codes=options.codes,
    )
    return made, codes, int(missing.sum())


def _check_count(column: _Values, count: int, rows: int, options: Options, path: Path) -> None:
    name, most = shown(column.name), MOST_VALUES[options.codes]
    is_label = column.name == options.label
    if count <= most and (2 * count <= rows or count <= 10):
        return
    told = (
        f"{shown(path)}: column {name} has {count:,} different values in {rows:,} rows to train on"
    )
    if column.odd is not None:
        raise DataError(
            f'{told}, and is no column of numbers because of "{shown(column.odd[:40])}": mend these cells'
        )
    if is_label:
        raise DataError(f"{told}: a label has at most {most}, several rows for each")
    remedy = f"leave it out with drop: [{name}]"
    if count > most and options.codes == "one_hot" and 2 * count <= rows:
        remedy += ", or add codes: binary"
    raise DataError(f"{told}, too many for a category: {remedy}")


def _constant(column: _Values, value: str | None, path: Path) -> DataError:
    name = shown(column.name)
    what = "no value" if value is None else f'one value only, "{shown(value[:40])}",'
    return DataError(
        f"{shown(path)}: column {name} has {what} in the rows to train on: leave it out with drop: [{name}]"
    )


def _unknown(
    column: _Values, unknown: np.ndarray, rows: dict[str, np.ndarray], is_label: bool, path: Path
) -> DataError:
    row = int(np.argmax(unknown))
    split = next(split for split, part in rows.items() if row in part)
    text = shown(column.texts[column.places[row]][:40])
    count = int((column.places == column.places[row]).sum())
    others = "" if is_label else ", or take missing: impute, which treats it as a missing value"
    return DataError(
        f'{shown(path)}: column {shown(column.name)}: "{text}" ({count:,} in all) is in {split} and not among the rows '
        f"to train on: remove or rename it, choose another seed: for the splits{others}"
    )


def _listed(names: Sequence[str], most: int = _NAMED) -> str:
    named = ", ".join(map(shown, names[:most]))
    return named + (f" and {len(names) - most} more" if len(names) > most else "")
