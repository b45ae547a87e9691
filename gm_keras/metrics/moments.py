"""Means and covariances of sets that are read piece by piece."""

from collections.abc import Iterator

import numpy as np
from scipy.linalg.blas import dsyrk

from gm_keras.metrics.streams import chunks


def mean_and_covariance(values: np.ndarray, description: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean `(d,)` and unbiased covariance `(d, d)` of features `(n, d)`, in float64.

    The moments of the pieces are merged in the manner of Chan, Golub and LeVeque 1979 ("Updating formulae and a
    pairwise algorithm for computing sample variances"): each piece is centred before it is multiplied, so that a
    shift that is large against the spread costs no digits.
    """
    width = values.shape[1]
    mean, scatter = np.zeros(width), np.zeros((width, width), order="F")
    for piece in _centred(values, mean, description):
        # In place, and only the half above the diagonal: a wide covariance is a large part of the memory.
        scatter = dsyrk(1.0, piece.T, 1.0, scatter, overwrite_c=True)
    scatter /= max(1, len(values) - 1)
    variance = scatter.diagonal().copy()
    scatter += scatter.T
    np.fill_diagonal(scatter, variance)
    return mean, scatter


def mean_and_variance(values: np.ndarray, description: str) -> tuple[np.ndarray, np.ndarray]:
    """Mean and unbiased variance `(d,)` of each column of `(n, d)`, as `mean_and_covariance` has them."""
    mean, scatter = np.zeros(values.shape[1]), np.zeros(values.shape[1])
    for piece in _centred(values, mean, description):
        scatter += np.einsum("ij,ij->j", piece, piece)
    return mean, scatter / max(1, len(values) - 1)


def _centred(values: np.ndarray, mean: np.ndarray, description: str) -> Iterator[np.ndarray]:
    """Yields pieces whose products add up to the scatter about the mean, and updates `mean` in place.

    Each piece is about its own mean; one row more stands for the distance between its mean and that of the rows before.
    """
    for start, part in chunks(values, description):
        own = part.mean(axis=0)
        total = start + len(part)
        shift = own - mean
        part -= own
        yield np.vstack([part, shift * np.sqrt(start * len(part) / total)])
        mean += shift * (len(part) / total)


class Spread:
    """The variance of a score that is an average over blocks, from what each row adds to it.

    A row's influence is the first-order change of the score that the row makes by being there: for a mean of n values
    it is a value / n. A block that is used in several pairs makes its changes together.
    """

    def __init__(self) -> None:
        self._index: int | None = None
        self._influence = np.zeros(0)
        self._variance = 0.0

    def add(self, index: int, influence: np.ndarray) -> None:
        """Adds the influence of the rows of a block; calls for one block must follow each other."""
        if index == self._index:
            self._influence = self._influence + influence
        else:
            self._variance = self.variance()
            self._index, self._influence = index, influence

    def variance(self) -> float:
        """The variance of the score that comes from these rows."""
        n = len(self._influence)
        if n < 2:
            return self._variance
        return self._variance + n * float(np.var(self._influence, ddof=1))
