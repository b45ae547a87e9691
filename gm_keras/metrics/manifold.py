"""How much of one set lies within reach of another: scores by nearest neighbours."""

from collections.abc import Callable

import numpy as np

from gm_keras.metrics.estimate import Estimate
from gm_keras.metrics.moments import Spread
from gm_keras.metrics.neighbours import ROUNDING, origin, squared_distances, tiles
from gm_keras.metrics.streams import block_count, checked_pair, pairs_of_blocks
from gm_keras.progress import Progress, progress

# Into how many parts both sets are dealt for the standard errors.
PARTS = 10

Scores = Callable[[np.ndarray, np.ndarray, Progress], tuple[np.ndarray, np.ndarray]]


def precision_recall(
    real: np.ndarray, generated: np.ndarray, k: int = 3
) -> tuple[Estimate, Estimate]:
    """Improved precision and recall (Kynkäänniemi et al. 2019, arXiv 1904.06991).

    Around each row lies a ball that reaches to its k-th nearest neighbour within its own set, the rim included.

    Both are exact for sets of up to 10,000 rows. A larger set is dealt into disjoint blocks of at most 10,000 rows,
    and the result is the average over pairs of blocks (a smaller set is used whole in every pair).

    The standard errors come from the spread of the scores over ten disjoint tenths of both sets (fewer parts where a
    tenth would have fewer than 4k rows), which has the randomness of the balls in it, and are at least those of shares of
    independent rows. They suppose that the score of a part varies as that of the whole does, with 1/n.

    Args:
        real: Features `(n, d)`; an array or a memory map.
        generated: Features `(m, d)`, likewise.
        k: Which neighbour the balls reach to.

    Returns:
        The share of generated samples within the balls of the real ones (precision), and of real samples
        within the balls of the generated ones (recall), each in [0, 1].

    Raises:
        TooFewSamples: If a set has no more than `k` rows.
        ValueError: If the arrays do not fit each other or are not finite, or `k` is less than 1.
    """

    def scores(x: np.ndarray, y: np.ndarray, bar: Progress) -> tuple[np.ndarray, np.ndarray]:
        return _balls(y, x, k, bar)[1] > 0, _balls(x, y, k, bar)[1] > 0

    recall, precision = _over_pairs(
        real, generated, k, scores, "precision and recall", (real, generated)
    )
    return precision, recall


def density_coverage(
    real: np.ndarray, generated: np.ndarray, k: int = 5
) -> tuple[Estimate, Estimate]:
    """Density and coverage (Naeem et al. 2020, arXiv 2002.09797).

    Around each real row lies a ball that reaches to its k-th nearest neighbour within the real set, the rim included.

    Both are exact for sets of up to 10,000 rows. A larger set is dealt into disjoint blocks of at most 10,000 rows,
    and the result is the average over pairs of blocks (a smaller set is used whole in every pair).

    The standard errors are found as those of `precision_recall`.

    Args:
        real: Features `(n, d)`; an array or a memory map.
        generated: Features `(m, d)`, likewise.
        k: Which neighbour the balls reach to.

    Returns:
        The mean number of balls round a generated sample, divided by `k` (density, at least 0, about 1 for samples of
        the real distribution), and the share of real samples whose ball holds a generated one (coverage, in [0, 1]).

    Raises:
        TooFewSamples: If a set has no more than `k` rows.
        ValueError: If the arrays do not fit each other or are not finite, or `k` is less than 1.
    """

    def scores(x: np.ndarray, y: np.ndarray, bar: Progress) -> tuple[np.ndarray, np.ndarray]:
        held, around = _balls(x, y, k, bar)
        return held > 0, around / k

    coverage, density = _over_pairs(real, generated, k, scores, "density and coverage", (real,))
    return density, coverage


def _over_pairs(
    real: np.ndarray,
    generated: np.ndarray,
    k: int,
    scores: Scores,
    description: str,
    sets_of_balls: tuple[np.ndarray, ...],
) -> list[Estimate]:
    """Averages a score that is a mean over the real rows and one that is a mean over the generated rows."""
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    real, generated = checked_pair(real, generated, k + 1, f"one more than the {k} neighbours")
    pairs = max(block_count(real), block_count(generated))
    smallest = min(len(values) // block_count(values) for values in (real, generated))
    parts = min(PARTS, smallest // (4 * k))
    # One part has no spread.
    parts = parts if parts > 1 else 0
    means, of_parts = np.zeros(2), np.zeros((parts, 2))
    spreads = Spread(), Spread()
    rows = [pairs * len(values) // block_count(values) for values in sets_of_balls]
    with progress(sum(rows) * (2 if parts else 1), description) as bar:
        for i, x, j, y in pairs_of_blocks(real, generated):
            for side, (block, values) in enumerate(zip((i, j), scores(x, y, bar), strict=True)):
                means[side] += values.mean() / pairs
                spreads[side].add(block, values / (len(values) * pairs))
            # Every pair gives a row to each part, and a block that is used again gives it the same ones.
            for part in range(parts):
                both = scores(x[part::parts], y[part::parts], bar)
                of_parts[part] += [values.mean() / pairs for values in both]
        errors = [np.sqrt(spread.variance()) for spread in spreads]
    if parts:
        errors = np.maximum(errors, np.std(of_parts, axis=0, ddof=1) / np.sqrt(parts))
    return [Estimate(mean, error) for mean, error in zip(means, errors, strict=True)]


def _balls(
    centres: np.ndarray, points: np.ndarray, k: int, bar: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """How many points lie in the ball of each centre, and in how many balls each point lies."""
    held, around = np.zeros(len(centres), int), np.zeros(len(points), int)
    middle, kept = origin(centres), 1.0 - ROUNDING
    for rows, x, x_squares in tiles(centres, middle):
        nearest = np.full((len(x), k), np.inf)
        for others, y, y_squares in tiles(centres, middle):
            squares = squared_distances(x, x_squares, y, y_squares)
            if others == rows:
                # A row is no neighbour of its own.
                np.fill_diagonal(squares, np.inf)
            nearest = np.partition(np.hstack([nearest, squares]), k - 1, axis=1)[:, :k]
        radii = nearest.max(axis=1, keepdims=True)
        for others, y, y_squares in tiles(points, middle):
            # Rounding must not push a point off the rim of a ball: the lengths are short of it.
            squares = squared_distances(x, kept * x_squares, y, kept * y_squares)
            inside = squares <= radii
            held[rows] += inside.sum(axis=1)
            around[others] += inside.sum(axis=0)
        bar.update(len(x))
    return held, around
