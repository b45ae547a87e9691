"""The columns of a user's table: which are read, as what, and what is refused."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from gm_keras.data.source import DataError
from gm_keras.data.tables.options import Options
from gm_keras.reading import shown

# What stands for no number in a column of numbers; in other columns only an empty cell is missing.
MISSING = ("", "?", "NA", "N/A", "na", "n/a", "NaN", "nan", "NULL", "null", "None", "<NA>")
# Above it a float is not every whole number.
_LARGEST = 2**53
_NAMED = 5


@dataclass(frozen=True)
class Values:
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


def choose(names: list[str], options: Options, path: Path) -> list[str]:
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
                    f"{key}: {shown(path)} has no column {shown(name)!r}; it has {listed(names, 20)}"
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
                    f"{key}: {shown(name)!r} is not among the columns that are kept: {listed(kept, 20)}"
                )
    if not [name for name in kept if name != options.label]:
        raise DataError(f"{shown(path)}: no column is left to model: name some under columns:")
    return kept


def read_column(
    name: str, values: pa.ChunkedArray, codes: Sequence[str] | set[str], path: Path
) -> Values:
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


def _of_texts(name: str, values: pa.ChunkedArray, as_codes: bool, path: Path) -> Values:
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


def _numbers(name: str, values: pa.ChunkedArray, dtype: str, path: Path) -> Values:
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
    return Values(name, dtype, missing, numbers=numbers)


def _texts(name: str, values: pa.ChunkedArray, dtype: str, odd: str | None = None) -> Values:
    encoded = values.cast(pa.string()).combine_chunks().dictionary_encode()
    texts = encoded.dictionary.to_pylist()
    places = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype("int64")
    missing = places < 0
    if "" in texts:
        missing |= places == texts.index("")
    return Values(name, dtype, missing, places=places, texts=tuple(texts), odd=odd)


def _odd(told: pa.ChunkedArray) -> str | None:
    """A text that is no number, where most are."""
    number = pc.match_substring_regex(told, r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$")
    if 2 * (pc.sum(number).as_py() or 0) <= len(told):
        return None
    return told.filter(pc.invert(number))[0].as_py()


def check_missing(columns: list[Values], options: Options, path: Path) -> None:
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
            f"{shown(path)}: missing values in {listed(told, 20)} of {len(columns[0]):,} rows: fill them in, leave "
            "columns out with drop:, or add missing: impute to the data set's entry under data: in params.yaml "
            "(medians, and the commonest categories)"
        )


def unknown_category(
    column: Values, unknown: np.ndarray, rows: dict[str, np.ndarray], is_label: bool, path: Path
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


def listed(names: Sequence[str], most: int = _NAMED) -> str:
    named = ", ".join(map(shown, names[:most]))
    return named + (f" and {len(names) - most} more" if len(names) > most else "")
