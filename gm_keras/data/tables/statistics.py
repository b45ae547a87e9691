"""What is known of a column, of the examples to train on alone: mean and deviation, range, categories."""

from pathlib import Path

import numpy as np

from gm_keras.data.source import DataError, natural
from gm_keras.data.tables.columns import Values, listed, unknown_category
from gm_keras.data.tables.options import Options
from gm_keras.fields.table import Category, Number, Quantile
from gm_keras.reading import shown

#: The most values of a category, by its codes: each has a feature of its own, or they share a few.
MOST_VALUES = {"one_hot": 256, "binary": 65_536}
#: So many values are kept of the distribution of a number; each is there so often, on average, or they are no heaps.
MOST_KNOTS, OFTEN = 1_000, 5
#: More decimals are the digits of a calculation.
MOST_DECIMALS = 6


def fitted(
    columns: list[Values], rows: dict[str, np.ndarray], options: Options, path: Path
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
            f"imputed with the median or the commonest category of the examples to train on: {listed(imputed, 20)}"
        )
    return made, notes


def _number(
    column: Values, rows: dict[str, np.ndarray], options: Options, path: Path
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
    column: Values, rows: dict[str, np.ndarray], options: Options, path: Path
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
            raise unknown_category(column, unknown, rows, is_label, path)
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


def _check_count(column: Values, count: int, rows: int, options: Options, path: Path) -> None:
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


def _constant(column: Values, value: str | None, path: Path) -> DataError:
    name = shown(column.name)
    what = "no value" if value is None else f'one value only, "{shown(value[:40])}",'
    return DataError(
        f"{shown(path)}: column {name} has {what} in the rows to train on: leave it out with drop: [{name}]"
    )
