"""Distances of columns and of their associations, against other implementations and known answers."""

import numpy as np
import pytest
from scipy import stats
from scipy.stats.contingency import association

from gm_keras.fields.table import Category, Number, Table
from gm_keras.metrics import TooFewSamples
from gm_keras.metrics.tables import (
    association_distance,
    association_matrix,
    bars,
    column_scores,
    marginal_distance,
)

NUMBER = {"dtype": "float64", "mean": 1.0, "deviation": 2.0, "low": -9.0, "high": 9.0}


def number(name: str) -> Number:
    return Number(name=name, **NUMBER)


def category(name: str, count: int) -> Category:
    return Category(
        name=name, values=[f"{name}{each}" for each in range(count)], shares=[1.0] * count
    )


TABLE = Table(columns=[number("a"), number("b"), category("c", 3), category("d", 4)])


def drawn(n: int, seed: int, tied: bool = True) -> dict[str, np.ndarray]:
    """Rows in which everything depends on everything, or nothing."""
    rng = np.random.default_rng(seed)
    hidden = [rng.normal(size=n)] * 4 if tied else rng.normal(size=(4, n))
    rows = {name: 2.0 * hidden[i] + rng.normal(size=n) + 1.0 for i, name in enumerate("ab")}
    rows["c"] = np.digitize(hidden[2] + rng.normal(size=n), [-0.5, 1.0])
    rows["d"] = np.digitize(hidden[3] + 0.3 * rng.normal(size=n), [-1.0, 0.0, 1.0])
    return rows


def test_columns_by_themselves_agree_with_scipy():
    real, made = drawn(500, 0), drawn(300, 1)
    made["a"], made["c"] = made["a"] + 0.7, np.zeros(300, int)
    first, second, third, fourth = column_scores(TABLE, real, made)
    for score, name in ((first, "a"), (second, "b")):
        assert score.distance == pytest.approx(stats.ks_2samp(real[name], made[name]).statistic)
        spread = stats.wasserstein_distance(real[name], made[name]) / real[name].std()
        assert score.wasserstein == pytest.approx(spread)
        assert sum(score.real) == pytest.approx(1.0, abs=1e-3)
    assert third.distance == pytest.approx(1.0 - np.mean(real["c"] == 0))
    assert fourth.wasserstein is None
    mean, largest = marginal_distance(TABLE, real, made)
    distances = [each.distance for each in (first, second, third, fourth)]
    assert (mean, largest) == (pytest.approx(np.mean(distances)), pytest.approx(max(distances)))


def test_bars_of_whole_numbers_hold_as_many_each():
    column = Number(name="n", **{**NUMBER, "dtype": "int64", "low": 0.0, "decimals": 0})
    for most, together, last in ((9, 1, "9"), (29, 2, "28 to 29")):
        evenly = np.arange(most + 1).repeat(50)
        names, (shares,) = bars(column, evenly)
        assert (len(names), names[-1]) == ((most + 1) / together, last)
        assert set(np.round(shares, 4)) == {round(together / (most + 1), 4)}


def test_associations_agree_with_other_implementations():
    rows = drawn(20_000, 0)
    matrix = association_matrix(TABLE, rows)
    assert matrix[0, 1] == pytest.approx(np.corrcoef(rows["a"], rows["b"])[0, 1])
    counts = np.zeros((3, 4), int)
    np.add.at(counts, (rows["c"], rows["d"]), 1)
    assert matrix[2, 3] == pytest.approx(association(counts, method="cramer"), abs=2e-3)
    groups = [rows["a"][rows["c"] == each] for each in range(3)]
    f = stats.f_oneway(*groups).statistic
    explained = 2 * f / (2 * f + 20_000 - 3)
    assert matrix[0, 2] == pytest.approx(np.sqrt(explained), abs=2e-3)
    np.testing.assert_array_equal(matrix, matrix.T)


def test_associations_of_what_does_not_depend_are_near_zero_in_small_tables():
    """Without its correction Cramér's V of 60 such rows is 0.2 on average."""
    found = [association_matrix(TABLE, drawn(60, seed, tied=False)) for seed in range(40)]
    assert np.mean(found, axis=0)[2, 3] < 0.1
    assert np.mean(found, axis=0)[0, 2] < 0.1


def test_scores_get_worse_as_samples_do():
    real = drawn(2_000, 0)
    apart = [
        [*marginal_distance(TABLE, real, made), *association_distance(TABLE, real, made)]
        for made in (drawn(2_000, 1), {**drawn(2_000, 1), "b": drawn(2_000, 2)["b"] + 0.5}, drawn(2_000, 3, tied=False))
    ]  # fmt: skip
    assert apart[0][0] < 0.03 < apart[1][0]
    assert apart[0][2] < 0.03 < apart[1][2] < apart[2][2]
    assert apart[2][3] > 0.5
    assert apart[2][0] < 0.05  # each by itself is right


def test_the_standard_error_is_the_spread_over_draws():
    found = [
        [each for pair in (marginal_distance, association_distance) for each in pair(TABLE, drawn(400, seed), drawn(400, 99 + seed, tied=False))]
        for seed in range(20)
    ]  # fmt: skip
    for column in (2, 3):
        values = [float(row[column]) for row in found]
        told = np.mean([row[column].stderr for row in found])
        assert told == pytest.approx(np.std(values), rel=0.5)


def test_too_few_rows():
    with pytest.raises(TooFewSamples, match="at least 20 rows of each, there are 19 and 40"):
        marginal_distance(TABLE, drawn(19, 0), drawn(40, 0))
    alone = Table(columns=[number("a")])
    with pytest.raises(TooFewSamples, match="two columns"):
        association_distance(alone, drawn(40, 0), drawn(40, 1))


def test_a_constant_column_has_no_association():
    rows = {**drawn(100, 0), "a": np.ones(100), "c": np.zeros(100, int)}
    matrix = association_matrix(TABLE, rows)
    assert np.isfinite(matrix).all()
    assert (matrix[0, 1], matrix[0, 2], matrix[2, 3]) == (0.0, 0.0, 0.0)
