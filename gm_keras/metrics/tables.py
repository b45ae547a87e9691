"""How near the columns of one table are to those of another: each by itself, and two by two.

| | number | category |
|---|---|---|
| by itself | Kolmogorov-Smirnov distance | total variation |
| with a number | Pearson's correlation | correlation ratio |
| with a category | correlation ratio | Cramér's V |

All lie between 0 and 1, but for the correlation, from -1. The correlation ratio and Cramér's V are corrected for the
bias that small tables give them (Kelley 1935; Bergsma 2013).
"""

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import wasserstein_distance

from gm_keras.fields.table import Category, Number, Table
from gm_keras.metrics.estimate import Estimate, TooFewSamples

# Groups of rows, each of which is left out once for the standard errors.
GROUPS = 20
# Bars of the picture of a number, between two quantiles of the real ones; categories that have a bar of their own.
BARS, MOST_BARS = 20, 12
TAILS = (0.005, 0.995)

Rows = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class ColumnScore:
    """One column of samples against the same column of real rows.

    Attributes:
        name: Of the column.
        kind: `number` or `category`.
        distance: Kolmogorov-Smirnov distance of numbers, total variation of categories: from 0 to 1.
        wasserstein: Of numbers, in deviations of the real ones; None of categories.
        bars: What the heights are of: ranges of numbers, or categories, the commonest first.
        real: The share of real rows in each.
        made: The share of samples in each.
    """

    name: str
    kind: str
    distance: float
    wasserstein: float | None
    bars: list[str]
    real: list[float]
    made: list[float]


def column_scores(table: Table, real: Rows, made: Rows) -> list[ColumnScore]:
    """Compares each column by itself.

    Args:
        table: Its columns.
        real: By column (n,), as `Table.decode` gives them.
        made: Likewise (m,).
    """
    scores = []
    for column in table.modelled:
        first, second = real[column.name], made[column.name]
        spread = None
        if not isinstance(column, Category):
            deviation = float(np.std(first)) or column.deviation
            spread = wasserstein_distance(first, second) / deviation
        names, heights = bars(column, first, second)
        scores.append(
            ColumnScore(
                name=column.name,
                kind="category" if isinstance(column, Category) else "number",
                distance=_distance(column, first, second),
                wasserstein=spread,
                bars=names,
                real=heights[0],
                made=heights[1],
            )
        )
    return scores


def marginal_distance(table: Table, real: Rows, made: Rows) -> tuple[Estimate, Estimate]:
    """The distances of the columns, each by itself: their mean, and the largest.

    Args:
        table: Its columns.
        real: By column (n,), as `Table.decode` gives them.
        made: Likewise (m,).

    Returns:
        Both with the standard error of a jackknife over groups of rows.

    Raises:
        TooFewSamples: There are fewer rows than groups.
    """

    def distances(first: Rows, second: Rows) -> np.ndarray:
        return np.array(
            [_distance(each, first[each.name], second[each.name]) for each in table.modelled]
        )

    sizes = _sizes(table, real, made)
    left = [
        [distances(_without(real, group, sizes[0]), made) for group in range(GROUPS)],
        [distances(real, _without(made, group, sizes[1])) for group in range(GROUPS)],
    ]
    return _mean_and_largest(distances(real, made), left)


def association_distance(table: Table, real: Rows, made: Rows) -> tuple[Estimate, Estimate]:
    """How much the associations of two columns differ: the mean over all pairs, and the largest.

    Args:
        table: Its columns, at least two.
        real: By column (n,), as `Table.decode` gives them.
        made: Likewise (m,).

    Returns:
        Both with the standard error of a jackknife over groups of rows.

    Raises:
        TooFewSamples: There are fewer rows than groups, or one column.
    """
    if len(table.modelled) < 2:
        raise TooFewSamples("associations need two columns, there is one")
    _sizes(table, real, made)
    sums = [_sums(table, rows) for rows in (real, made)]
    whole = [associations(table, parts.sum(axis=0)) for parts in sums]
    upper = np.triu_indices(len(table.modelled), 1)

    def difference(first: np.ndarray, second: np.ndarray) -> np.ndarray:
        return np.abs(first - second)[upper]

    left = [
        [difference(associations(table, each), whole[1]) for each in sums[0].sum(axis=0) - sums[0]],
        [difference(whole[0], associations(table, each)) for each in sums[1].sum(axis=0) - sums[1]],
    ]
    return _mean_and_largest(difference(*whole), left)


def association_matrix(table: Table, rows: Rows) -> np.ndarray:
    """The association of each two columns `(columns, columns)`; 0 where one of them is constant."""
    return associations(table, _sums(table, rows).sum(axis=0))


def associations(table: Table, sums: np.ndarray) -> np.ndarray:
    """As `association_matrix`, from the sums of products that `_sums` makes."""
    places, n = _places(table), sums[0, 0]
    columns = table.modelled
    matrix = np.eye(len(columns))
    for i, first in enumerate(columns):
        for j in range(i):
            second = columns[j]
            if isinstance(first, Category) and isinstance(second, Category):
                value = _cramer(sums[places[i], places[j]], n)
            elif isinstance(first, Category):
                value = _ratio(sums, places[j], places[i], n)
            elif isinstance(second, Category):
                value = _ratio(sums, places[i], places[j], n)
            else:
                value = _pearson(sums, places[i].start, places[j].start, n)
            matrix[i, j] = matrix[j, i] = value
    return matrix


def _places(table: Table) -> list[slice]:
    """Where each column is among the sums; before them is the constant."""
    places, start = [], 1
    for column in table.modelled:
        width = len(column.values) if isinstance(column, Category) else 1
        places.append(slice(start, start + width))
        start += width
    return places


def _sums(table: Table, rows: Rows) -> np.ndarray:
    """Sums of products `(groups, k, k)` of a constant, the numbers, and for each category whether it is that.

    Numbers are counted from their mean in training, in deviations.
    """
    n = len(next(iter(rows.values())))
    places = _places(table)
    sums = np.zeros((GROUPS, places[-1].stop, places[-1].stop))
    for group in range(GROUPS):
        chosen = np.arange(group, n, GROUPS)
        design = np.zeros((len(chosen), places[-1].stop))
        design[:, 0] = 1.0
        for column, place in zip(table.modelled, places, strict=True):
            values = rows[column.name][chosen]
            if isinstance(column, Category):
                design[np.arange(len(chosen)), place.start + values] = 1.0
            else:
                design[:, place.start] = (values.astype("float64") - column.mean) / column.deviation
        sums[group] = design.T @ design
    return sums


def _pearson(sums: np.ndarray, i: int, j: int, n: float) -> float:
    covariance = sums[i, j] / n - sums[0, i] * sums[0, j] / n**2
    variances = [sums[k, k] / n - (sums[0, k] / n) ** 2 for k in (i, j)]
    if min(variances) <= 1e-12:
        return 0.0
    return float(np.clip(covariance / np.sqrt(variances[0] * variances[1]), -1.0, 1.0))


def _ratio(sums: np.ndarray, number: slice, category: slice, n: float) -> float:
    """The correlation ratio of a number and a category: what part of its deviation the category explains."""
    i = number.start
    total = sums[i, i] - sums[0, i] ** 2 / n
    counts, of_each = sums[0, category], sums[i, category]
    there = counts > 0.0
    groups = int(there.sum())
    if groups < 2 or n <= groups or total <= 1e-12 * n:
        return 0.0
    between = float((of_each[there] ** 2 / counts[there]).sum()) - sums[0, i] ** 2 / n
    within = (total - between) / (n - groups)
    return float(np.sqrt(np.clip((between - (groups - 1) * within) / total, 0.0, 1.0)))


def _cramer(counts: np.ndarray, n: float) -> float:
    """Cramér's V of two categories, from the counts of their pairs."""
    counts = counts[counts.sum(axis=1) > 0.0][:, counts.sum(axis=0) > 0.0]
    r, k = counts.shape
    if min(r, k) < 2 or n < 2:
        return 0.0
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / n
    phi = float(((counts - expected) ** 2 / expected).sum()) / n
    phi = max(0.0, phi - (r - 1) * (k - 1) / (n - 1))
    r, k = r - (r - 1) ** 2 / (n - 1), k - (k - 1) ** 2 / (n - 1)
    return float(np.sqrt(min(1.0, phi / max(min(r, k) - 1.0, 1e-12))))


def _distance(column: Number | Category, first: np.ndarray, second: np.ndarray) -> float:
    if isinstance(column, Category):
        shares = [_shares(values, len(column.values)) for values in (first, second)]
        return 0.5 * float(np.abs(shares[0] - shares[1]).sum())
    first, second = np.sort(first), np.sort(second)
    points = np.concatenate([first, second])
    below = [np.searchsorted(each, points, side="right") / len(each) for each in (first, second)]
    return float(np.abs(below[0] - below[1]).max())


def _shares(values: np.ndarray, count: int) -> np.ndarray:
    return np.bincount(values, minlength=count) / len(values)


def bars(column: Number | Category, *sets: np.ndarray) -> tuple[list[str], list[list[float]]]:
    """What a picture of a column shows: ranges of numbers, or categories, the commonest first.

    Args:
        column: Its description.
        *sets: Of its values; the first one says which categories are common.

    Returns:
        What the bars are of, and for each set the share in each.
    """
    if isinstance(column, Category):
        shares = [_shares(values, len(column.values)) for values in sets]
        order = np.argsort(-shares[0], kind="stable")[:MOST_BARS]
        return [column.values[place] for place in order], [
            [round(float(each[place]), 5) for place in order] for each in shares
        ]
    # The few that are far out stand in the first and the last bar.
    low, high = np.quantile(sets[0], TAILS)
    low, high = (low, high) if low < high else (column.low, column.high)
    edges = np.linspace(low, high, BARS + 1)
    ends = edges
    if column.decimals == 0 and high - low < 2 * BARS:
        # As many whole numbers in each bar: otherwise some would be high for what lies in them.
        together = int((high - low) // BARS) + 1
        edges = np.arange(np.floor(low) - 0.5, high + 0.5 + together, together)
        ends = np.ceil(edges)
    heights = []
    for values in sets:
        counts, _ = np.histogram(np.clip(values, low, high), edges)
        heights.append([round(count / len(values), 5) for count in counts.tolist()])
    whole = ends is not edges
    return [_range(low, high - whole) for low, high in itertools.pairwise(ends)], heights


def _range(low: float, high: float) -> str:
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _sizes(table: Table, real: Rows, made: Rows) -> tuple[int, int]:
    name = table.modelled[0].name
    sizes = len(real[name]), len(made[name])
    if min(sizes) < GROUPS:
        raise TooFewSamples(
            f"needs at least {GROUPS} rows of each, there are {sizes[0]} and {sizes[1]}"
        )
    return sizes


def _without(rows: Rows, group: int, size: int) -> Rows:
    kept = np.arange(size) % GROUPS != group
    return {name: values[kept] for name, values in rows.items()}


def _mean_and_largest(
    values: np.ndarray, left: list[list[np.ndarray]]
) -> tuple[Estimate, Estimate]:
    def estimate(summary: Callable[[np.ndarray], float]) -> Estimate:
        variance = 0.0
        for of_set in left:
            without = np.array([summary(each) for each in of_set])
            variance += (GROUPS - 1) / GROUPS * float(((without - without.mean()) ** 2).sum())
        return Estimate(summary(values), np.sqrt(variance))

    return estimate(lambda each: float(each.mean())), estimate(lambda each: float(each.max()))
