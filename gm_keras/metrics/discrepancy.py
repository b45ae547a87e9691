"""Maximum mean discrepancies between two sets of features."""

from collections.abc import Callable

import numpy as np
from scipy.spatial.distance import pdist
from sklearn.metrics.pairwise import euclidean_distances

from gm_keras.metrics.estimate import Estimate
from gm_keras.metrics.moments import Spread
from gm_keras.metrics.standardization import Standardization
from gm_keras.metrics.streams import (
    block_count,
    checked_pair,
    pairs_of_blocks,
    read,
    rows_at_once,
)
from gm_keras.progress import progress

Kernel = Callable[[np.ndarray, np.ndarray], np.ndarray]

# Widths of the Gaussian kernels, in median distances.
BANDWIDTHS = (0.25, 0.5, 1.0, 2.0, 4.0)
# Rows of the real set between which the median distance is taken.
MEDIAN_ROWS = 1000
# Rows and columns of a piece of the kernel matrix.
TILE = 1024


def kernel_distance(real: np.ndarray, generated: np.ndarray) -> Estimate:
    """Squared maximum mean discrepancy with a cubic kernel.

    Bińkowski et al. 2018, "Demystifying MMD GANs", arXiv 1801.01401: the unbiased estimate with the kernel
    (x.y / d + 1)^3, which may be negative. With the features of the Inception network it is the KID; with others
    it must be called by another name.

    It is exact for sets of up to 10,000 rows. A larger set is dealt into disjoint blocks of at most 10,000 rows, and
    the result, still unbiased, is the average over pairs of blocks (a smaller set is used whole in every pair).

    The standard error is that of the jackknife, from the rows of both sets. Between two sets of one distribution it is
    too large by up to a factor of 1.4.

    Args:
        real: Features `(n, d)`; an array or a memory map.
        generated: Features `(m, d)`, likewise.

    Returns:
        The squared discrepancy; its standard error is None if a set has only two rows.

    Raises:
        TooFewSamples: If a set has fewer than two rows.
        ValueError: If the arrays do not fit each other or are not finite.
    """
    real, generated = checked_pair(real, generated, at_least=2)
    width = real.shape[1]

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        base = x @ (y / width).T
        base += 1.0
        return base * base * base

    return _discrepancy(real, generated, kernel, "kernel distance")


def mmd(real: np.ndarray, generated: np.ndarray) -> Estimate:
    """Squared maximum mean discrepancy with Gaussian kernels, for points and tables.

    Gretton et al. 2012, "A Kernel Two-Sample Test" (JMLR 13), the unbiased estimate, which may be negative. The kernel
    is the mean of five Gaussian kernels exp(-|x - y|^2 / (2 s^2)), whose widths s are 1/4, 1/2, 1, 2 and 4 times the
    median distance between rows of the real set (up to 1,000 of them, evenly spaced). Before that each column of both
    sets is brought to mean 0 and deviation 1 of the real set; a column that is constant there is only shifted.

    Sets of more than 10,000 rows are compared as `kernel_distance` does it, and the standard error is the same.

    Args:
        real: Rows `(n, d)`; an array or a memory map.
        generated: Rows `(m, d)`, likewise.

    Returns:
        The squared discrepancy, at most 2; its standard error is None if a set has only two rows.

    Raises:
        TooFewSamples: If a set has fewer than two rows.
        ValueError: If the arrays do not fit each other or are not finite.
    """
    real, generated = checked_pair(real, generated, at_least=2)
    standard = Standardization.of(real)
    every = -(-len(real) // MEDIAN_ROWS)
    few = real[::every]
    distances = pdist(standard(read(few, 0, len(few))))
    median = np.median(distances)
    # A set in which most rows are the same has median 0.
    scale = median or distances.mean() or 1.0

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        exponent = euclidean_distances(standard(x), standard(y), squared=True)
        exponent /= -2.0 * (BANDWIDTHS[-1] * scale) ** 2
        values = np.exp(exponent, out=exponent)
        total = values.copy()
        for _ in BANDWIDTHS[1:]:
            # Half the width is the fourth power.
            np.square(values, out=values)
            np.square(values, out=values)
            total += values
        total /= len(BANDWIDTHS)
        return total

    return _discrepancy(real, generated, kernel, "mmd")


def _discrepancy(
    real: np.ndarray, generated: np.ndarray, kernel: Kernel, description: str
) -> Estimate:
    pairs = max(block_count(real), block_count(generated))
    value, spreads = 0.0, (Spread(), Spread())
    rows = [pairs * len(values) // block_count(values) for values in (real, generated)]
    with progress(2 * rows[0] + rows[1], description) as bar:
        for i, x, j, y in pairs_of_blocks(real, generated):
            n, m = len(x), len(y)
            within_x, within_y = _within(x, kernel, bar), _within(y, kernel, bar)
            across_x, across_y = _across(x, y, kernel, bar)
            value += within_x.sum() / (n * (n - 1)) + within_y.sum() / (m * (m - 1))
            value -= 2.0 * across_x.sum() / (n * m)
            spreads[0].add(i, _influence(within_x, across_x, m) / pairs)
            spreads[1].add(j, _influence(within_y, across_y, n) / pairs)
    if min(n, m) < 3:
        return Estimate(value / pairs)
    return Estimate(value / pairs, np.sqrt(sum(spread.variance() for spread in spreads)))


def _influence(within: np.ndarray, across: np.ndarray, others: int) -> np.ndarray:
    """What each row does to the estimate, by leaving it out, from the sums of its rows of the kernel matrices."""
    n = len(within)
    if n < 3:
        return np.zeros(n)
    return 2.0 * within / (n * (n - 2)) - 2.0 * across / (n * others)


def _tiles(x: np.ndarray) -> list[tuple[int, int]]:
    rows = min(TILE, rows_at_once(x.shape[1]))
    return [(start, min(start + rows, len(x))) for start in range(0, len(x), rows)]


def _within(x: np.ndarray, kernel: Kernel, bar) -> np.ndarray:
    """Sums of the rows of the kernel matrix of a set, without its diagonal."""
    sums = np.zeros(len(x))
    for start, stop in _tiles(x):
        rows = read(x, start, stop)
        square = kernel(rows, rows)
        np.fill_diagonal(square, 0.0)
        sums[start:stop] += square.sum(axis=1)
        # The matrix is symmetric: what lies under the diagonal is read off above it.
        for first, last in _tiles(x):
            if first > start:
                values = kernel(rows, read(x, first, last))
                sums[start:stop] += values.sum(axis=1)
                sums[first:last] += values.sum(axis=0)
        bar.update(stop - start)
    return sums


def _across(x: np.ndarray, y: np.ndarray, kernel: Kernel, bar) -> tuple[np.ndarray, np.ndarray]:
    """Sums of the rows and of the columns of the kernel matrix between two sets."""
    sums = np.zeros(len(x)), np.zeros(len(y))
    for start, stop in _tiles(x):
        rows = read(x, start, stop)
        for first, last in _tiles(y):
            values = kernel(rows, read(y, first, last))
            sums[0][start:stop] += values.sum(axis=1)
            sums[1][first:last] += values.sum(axis=0)
        bar.update(stop - start)
    return sums
