"""Fréchet, kernel, MMD and sliced Wasserstein distances against definitions and known answers."""

import numpy as np
import pytest
from scipy import linalg, stats

from gm_keras.metrics import (
    TooFewSamples,
    frechet_distance,
    kernel_distance,
    mmd,
    sliced_wasserstein,
    streams,
)

RNG = np.random.default_rng(0)
ALL = [frechet_distance, kernel_distance, mmd, sliced_wasserstein]


def _naive_frechet(real, generated):
    first, second = np.cov(real, rowvar=False), np.cov(generated, rowvar=False)
    root = linalg.sqrtm(first @ second).real
    difference = real.mean(axis=0) - generated.mean(axis=0)
    return difference @ difference + np.trace(first + second - 2.0 * root)


def _naive_discrepancy(real, generated, kernel):
    def mean(first, second, same):
        values = [
            kernel(x, y)
            for i, x in enumerate(first)
            for j, y in enumerate(second)
            if not (same and i == j)
        ]
        return np.mean(values)

    within = mean(real, real, True) + mean(generated, generated, True)
    return within - 2.0 * mean(real, generated, False)


def _cubic(x, y):
    return (x @ y / len(x) + 1.0) ** 3


def _naive_mmd(real, generated):
    mean, deviation = real.mean(axis=0), real.std(axis=0, ddof=1)
    real, generated = (real - mean) / deviation, (generated - mean) / deviation
    n = len(real)
    median = np.median(
        [np.linalg.norm(real[i] - real[j]) for i in range(n) for j in range(i + 1, n)]
    )

    def kernel(x, y):
        square = np.sum((x - y) ** 2)
        widths = median * np.array([0.25, 0.5, 1.0, 2.0, 4.0])
        return np.mean(np.exp(-square / (2.0 * widths**2)))

    return _naive_discrepancy(real, generated, kernel)


def _pair(width=4, real=60, generated=45):
    mixing = RNG.normal(size=(width, width))
    x = RNG.normal(size=(real, width)) @ mixing + 1.0
    return x, RNG.gamma(2.0, size=(generated, width))


def test_frechet_distance_of_normals_with_known_moments():
    # Shifted by 3 in one of two coordinates: the squared distance is 9. Scaled by 2 in both: 2 * (2 - 1)^2.
    x = RNG.normal(size=(200_000, 2))
    assert frechet_distance(x, x + np.array([3.0, 0.0])) == pytest.approx(9.0, abs=1e-9)
    distance = frechet_distance(x, 2.0 * RNG.normal(size=(150_000, 2)))
    assert 0.0 < distance.stderr < 0.02
    assert distance == pytest.approx(2.0, abs=4 * distance.stderr)


def test_frechet_distance_agrees_with_the_matrix_square_root():
    real, generated = _pair(6, 500, 400)
    expected = _naive_frechet(real, generated)
    assert frechet_distance(real, generated) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(generated, real) == pytest.approx(expected, rel=1e-9)


def test_frechet_distance_of_a_set_to_itself_is_zero():
    x = RNG.normal(size=(100, 8)).astype("float32")
    assert frechet_distance(x, x) == pytest.approx(0.0, abs=1e-9)


def test_a_shift_costs_the_frechet_distance_no_digits():
    real, generated = _pair(6, 500, 400)
    shifted = frechet_distance(real + 1e6, generated + 1e6)
    assert shifted == pytest.approx(frechet_distance(real, generated), rel=1e-6)
    # Sorted, so that the pieces differ: 200,000 rows are more than one of them.
    x = RNG.normal(size=(200_000, 6))
    x = x[np.argsort(x[:, 0])]
    assert frechet_distance(x, x + 1e6) == pytest.approx(6e12, rel=1e-12)
    few = x[::400] * 1.1
    assert frechet_distance(few, x) == pytest.approx(_naive_frechet(few, x), rel=1e-9)


def test_frechet_distance_with_features_that_are_always_zero():
    real, generated = _pair(5, 300, 300)
    expected = frechet_distance(real, generated)
    dead = [np.pad(x, ((0, 0), (0, 3))) for x in (real, generated)]
    distance = frechet_distance(*dead)
    assert distance == pytest.approx(expected, rel=1e-9)
    assert distance.stderr == pytest.approx(expected.stderr, rel=1e-6)


def test_frechet_distance_needs_more_rows_than_dimensions():
    with pytest.raises(TooFewSamples, match=r"at least 21 rows .*20 dimensions.* has 20"):
        frechet_distance(RNG.normal(size=(30, 20)), RNG.normal(size=(20, 20)))
    assert frechet_distance(RNG.normal(size=(21, 20)), RNG.normal(size=(22, 20))) > 0.0


def test_kernel_distance_agrees_with_the_definition():
    real, generated = _pair()
    expected = _naive_discrepancy(real, generated, _cubic)
    assert kernel_distance(real, generated) == pytest.approx(expected, rel=1e-10)


def test_kernel_distance_of_normals_with_known_moments():
    # In one dimension E (xy + 1)^3 = 1 + 3 E[x] E[y] + 3 E[x^2] E[y^2] + E[x^3] E[y^3]: with N(0, 1) and N(0, 4) the
    # squared distance is 3 (1 - 4)^2.
    real, generated = RNG.normal(size=(4000, 1)), 2.0 * RNG.normal(size=(5000, 1))
    distance = kernel_distance(real, generated)
    assert distance == pytest.approx(27.0, abs=4 * distance.stderr)
    assert distance.stderr < 2.0


@pytest.mark.parametrize("function", [kernel_distance, mmd])
def test_discrepancies_are_unbiased(function):
    # Between sets of one distribution a biased estimate is about 1 / n too large.
    values = [function(RNG.normal(size=(12, 2)), RNG.normal(size=(12, 2))) for _ in range(400)]
    assert abs(np.mean(values)) < 4 * stats.sem(values)
    assert min(values) < 0.0


def test_jackknife_by_leaving_out_each_row():
    real, generated = _pair(3, 20, 15)
    variance = 0.0
    for rows, score in (
        (real, lambda left: kernel_distance(left, generated)),
        (generated, lambda left: kernel_distance(real, left)),
    ):
        left_out = [float(score(np.delete(rows, i, axis=0))) for i in range(len(rows))]
        variance += (len(rows) - 1) * np.var(left_out)
    assert kernel_distance(real, generated).stderr == pytest.approx(np.sqrt(variance), rel=1e-9)


def test_mmd_agrees_with_the_definition():
    real, generated = _pair()
    assert mmd(real, generated) == pytest.approx(_naive_mmd(real, generated), rel=1e-10)


def test_mmd_of_a_column_that_is_constant_in_the_real_set():
    real, generated = _pair()
    real[:, 1] = 0.1
    same, moved = generated.copy(), generated.copy()
    same[:, 1], moved[:, 1] = 0.1, 5.1
    assert 0.0 < mmd(real, same) < mmd(real, moved)


def test_mmd_of_two_points_has_no_error():
    assert mmd(np.array([[0.0], [1.0]]), np.array([[0.0], [2.0]])).stderr is None


def test_sliced_wasserstein_agrees_with_scipy_along_each_direction():
    real, generated = _pair(3, 60, 45)
    directions = np.random.default_rng(7).normal(size=(3, 20))
    directions /= np.linalg.norm(directions, axis=0)
    mean, deviation = real.mean(axis=0), real.std(axis=0, ddof=1)
    shadows = [((x - mean) / deviation) @ directions for x in (real, generated)]
    expected = np.mean(
        [stats.wasserstein_distance(*pair) for pair in zip(*(x.T for x in shadows), strict=True)]
    )
    distance = sliced_wasserstein(real, generated, projections=20, seed=7)
    assert distance == pytest.approx(expected, rel=1e-10)


def test_sliced_wasserstein_of_a_shift():
    # In one dimension every direction is plus or minus one: the distance is the shift in deviations.
    x = RNG.normal(size=(500, 1))
    assert sliced_wasserstein(x, x + 0.7 * x.std(ddof=1)) == pytest.approx(0.7)
    assert sliced_wasserstein(x, x) == pytest.approx(0.0, abs=1e-12)
    # In the plane the mean over directions of |cos| is 2 / pi.
    y = RNG.normal(size=(500, 2))
    moved = y + y.std(axis=0, ddof=1) * [3.0, 0.0]
    assert sliced_wasserstein(y, moved, projections=2000) == pytest.approx(6.0 / np.pi, rel=0.05)


def test_units_do_not_matter_to_distances_of_tables():
    real, generated = _pair()
    units = np.array([1e-3, 1.0, 7.0, 1e4])
    for function in (mmd, sliced_wasserstein):
        expected = function(real, generated)
        assert function(real * units + 5.0, generated * units + 5.0) == pytest.approx(expected)


@pytest.mark.parametrize("function", [kernel_distance, mmd, sliced_wasserstein])
def test_large_sets_are_averages_over_pairs_of_blocks(function, monkeypatch):
    real, generated = _pair(3, 95, 30)
    whole = function(real, generated)
    monkeypatch.setattr(streams, "BLOCK_ROWS", 40)
    # The real set gives three blocks of 32 and 31 rows; the generated one is used whole.
    monkeypatch.setattr("gm_keras.metrics.discrepancy.Standardization.of", lambda _: lambda x: x)
    monkeypatch.setattr("gm_keras.metrics.transport.Standardization.of", lambda _: lambda x: x)
    monkeypatch.setattr("gm_keras.metrics.discrepancy.pdist", lambda x: np.ones(3))
    blocks = function(real, generated)
    monkeypatch.setattr(streams, "BLOCK_ROWS", 1000)
    parts = [function(real[i::3], generated) for i in range(3)]
    assert blocks == pytest.approx(np.mean(parts), rel=1e-10)
    assert blocks.stderr < 3 * whole.stderr


@pytest.mark.parametrize("function", ALL)
@pytest.mark.parametrize(
    ("real", "generated", "message"),
    [
        (np.zeros((9, 2)), np.zeros((9, 4)), "differ in width: 2 and 4"),
        (np.zeros((1, 2)), np.zeros((9, 2)), "real must have at least [23] rows"),
        (np.zeros((9, 2)), np.zeros((0, 2)), "generated must have at least [23] rows"),
        (np.zeros((9, 2)), np.array([[1.0, 1.0]] * 5 + [[np.nan, 0.0]] * 3), "generated .*row 5"),
        (np.zeros(9), np.zeros((9, 1)), "array"),
        (np.zeros((9, 1), complex), np.zeros((9, 1)), "real numbers"),
    ],
)
def test_wrong_features_are_refused(function, real, generated, message):
    with pytest.raises(ValueError, match=message):
        function(real, generated)


def test_there_must_be_projections():
    with pytest.raises(ValueError, match="projections"):
        sliced_wasserstein(np.zeros((4, 2)), np.zeros((4, 2)), projections=0)


@pytest.mark.parametrize("function", ALL)
def test_twice_gives_the_same(function):
    real, generated = _pair()
    np.random.seed(1)
    first = function(real, generated)
    np.random.seed(2)
    second = function(real, generated)
    assert (first, first.stderr) == (second, second.stderr)


@pytest.mark.parametrize("function", ALL)
def test_integers_and_lists_are_numbers(function):
    real, generated = RNG.integers(0, 9, size=(40, 3)), RNG.integers(0, 5, size=(30, 3))
    expected = function(real.astype("float64"), generated.astype("float64"))
    assert function(real.tolist(), generated) == expected
