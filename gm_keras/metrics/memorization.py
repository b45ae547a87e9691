"""How many samples are more than copies of training examples."""

import numpy as np

from gm_keras.metrics.estimate import Estimate
from gm_keras.metrics.neighbours import ROUNDING, origin, squared_distances, tiles
from gm_keras.metrics.streams import checked_pair, pick
from gm_keras.progress import progress


def authenticity(train: np.ndarray, generated: np.ndarray) -> Estimate:
    """Authenticity (Alaa et al. 2022, "How Faithful is your Synthetic Data?", arXiv 2102.08921).

    A sample is authentic if it is farther from its nearest training example than that example is from its own nearest
    neighbour in the training set. About half of fresh examples of the training distribution are; copies are not.

    The whole training set is searched: the time is proportional to the number of generated samples times the number of
    training examples, the memory to neither. The standard error is that of a share of independent samples and takes
    the training set as given.

    Args:
        train: Features of all training examples `(n, d)`; an array or a memory map.
        generated: Features `(m, d)`, likewise.

    Returns:
        The share of generated samples that are authentic, in [0, 1].

    Raises:
        TooFewSamples: If a set has fewer than two rows.
        ValueError: If the arrays do not fit each other or are not finite.
    """
    train, generated = checked_pair(train, generated, at_least=2, names=("train", "generated"))
    authentic = 0
    middle = origin(train)
    with progress(len(generated), "authenticity") as bar:
        for _, samples, squares in tiles(generated, middle):
            index, distance, rounding = _nearest(samples, squares, train, middle)
            # Only the training examples that are nearest to a sample need neighbours of their own.
            few, back = np.unique(index, return_inverse=True)
            examples = pick(train, few) - middle
            lengths = np.einsum("ij,ij->i", examples, examples)
            _, own, own_rounding = _nearest(examples, lengths, train, middle, apart_from=few)
            slack = rounding + own_rounding[back]
            authentic += int((distance > own[back] + slack).sum())
            bar.update(len(samples))
    n = len(generated)
    share = authentic / n
    return Estimate(share, np.sqrt(share * (1.0 - share) / (n - 1)))


def _nearest(
    points: np.ndarray,
    lengths: np.ndarray,
    train: np.ndarray,
    middle: np.ndarray,
    apart_from: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The index of the nearest training example of each point, its squared distance, and the rounding of that.

    `apart_from` names for each point a training example that does not count.
    """
    row = np.arange(len(points))
    index = np.zeros(len(points), int)
    best, slack = np.full(len(points), np.inf), np.zeros(len(points))
    for rows, examples, example_lengths in tiles(train, middle):
        squares = squared_distances(points, lengths, examples, example_lengths)
        if apart_from is not None:
            own = (apart_from >= rows.start) & (apart_from < rows.stop)
            squares[row[own], apart_from[own] - rows.start] = np.inf
        column = squares.argmin(axis=1)
        closer = squares[row, column] < best
        index[closer] = rows.start + column[closer]
        best[closer] = squares[row, column][closer]
        slack[closer] = ROUNDING * (lengths + example_lengths[column])[closer]
    return index, best, slack
