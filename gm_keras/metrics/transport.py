"""The sliced Wasserstein distance between two sets of rows."""

import numpy as np

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


def sliced_wasserstein(
    real: np.ndarray, generated: np.ndarray, projections: int = 128, seed: int = 0
) -> Estimate:
    """Sliced Wasserstein distance of order 1, for points and tables.

    Bonneel et al. 2015, "Sliced and Radon Wasserstein Barycenters of Measures": the mean over random directions of the
    Wasserstein-1 distance between the projections of the two sets, the area between their distribution functions; the
    sets need not be of one size. Before that each column of both sets is brought to mean 0 and deviation 1 of the real
    set; a column that is constant there is only shifted.

    It uses all rows at once up to 10,000 of each set. A larger set is dealt into disjoint blocks of at most 10,000
    rows, and the result is the average over pairs of blocks (a smaller set is used whole in every pair).

    The standard error is that of the delta method: the derivative of a Wasserstein distance with respect to a
    distribution is the potential of its transport. It takes the directions as given, and it ignores the bias of the
    distance, which is upwards and between two sets of one distribution the larger part.

    Args:
        real: Rows `(n, d)`; an array or a memory map.
        generated: Rows `(m, d)`, likewise.
        projections: How many directions are drawn, evenly on the sphere.
        seed: Of the directions.

    Returns:
        The mean distance, at least 0, in deviations of the real set.

    Raises:
        TooFewSamples: If a set has fewer than two rows.
        ValueError: If the arrays do not fit each other or are not finite, or there are no projections.
    """
    if projections < 1:
        raise ValueError(f"projections must be at least 1, not {projections}")
    real, generated = checked_pair(real, generated, at_least=2)
    standard = Standardization.of(real)
    directions = np.random.default_rng(seed).normal(size=(real.shape[1], projections))
    directions /= np.linalg.norm(directions, axis=0)
    pairs = max(block_count(real), block_count(generated))
    value, spreads = 0.0, (Spread(), Spread())
    with progress(pairs * projections, "sliced Wasserstein") as bar:
        for i, x, j, y in pairs_of_blocks(real, generated):
            shadows = (_project(x, standard, directions), _project(y, standard, directions))
            potentials = np.zeros(len(x)), np.zeros(len(y))
            for first, second in zip(*shadows, strict=True):
                distance, potential = _wasserstein(first, second)
                value += distance / (pairs * projections)
                potentials[0][:] += potential[: len(x)]
                potentials[1][:] += potential[len(x) :]
                bar.update(1)
            spreads[0].add(i, potentials[0] / (len(x) * pairs * projections))
            spreads[1].add(j, potentials[1] / (len(y) * pairs * projections))
    return Estimate(value, np.sqrt(sum(spread.variance() for spread in spreads)))


def _project(values: np.ndarray, standard: Standardization, directions: np.ndarray) -> np.ndarray:
    """Projections `(directions, n)` of the rows."""
    step = rows_at_once(values.shape[1])
    parts = [
        standard(read(values, start, start + step)) @ directions
        for start in range(0, len(values), step)
    ]
    return np.ascontiguousarray(np.concatenate(parts).T)


def _wasserstein(first: np.ndarray, second: np.ndarray) -> tuple[float, np.ndarray]:
    """Wasserstein-1 distance of numbers, and the potential at each of them: first the one set's, then the other's."""
    together = np.concatenate([first, second])
    order = np.argsort(together, kind="stable")
    gaps = np.diff(together[order])
    steps = np.where(order < len(first), 1.0 / len(first), -1.0 / len(second))
    # Between neighbouring values: how much more of the first set lies below than of the second.
    excess = np.cumsum(steps)[:-1]
    potential = np.empty(len(together))
    potential[order] = np.concatenate([[0.0], np.cumsum(np.sign(excess) * gaps)])
    return float(np.abs(excess) @ gaps), potential
