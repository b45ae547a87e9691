"""Squared Euclidean distances between the rows of two sets, piece by piece."""

from collections.abc import Iterator

import numpy as np

from gm_keras.metrics.streams import read, rows_at_once

# Rows and columns of a piece of the matrix of distances.
TILE = 1024
# Relative to the squared lengths of two rows: how far rounding may put their squared distance off.
ROUNDING = 1e-12


def origin(values: np.ndarray) -> np.ndarray:
    """A point `(d,)` amid the rows, from which to measure so that a common shift costs no digits."""
    return read(values, 0, min(TILE, rows_at_once(values.shape[1]))).mean(axis=0)


def tiles(values: np.ndarray, centre: np.ndarray) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Yields pieces of a set: which rows, the rows seen from `centre`, and their squared lengths."""
    step = min(TILE, rows_at_once(values.shape[1]))
    for start in range(0, len(values), step):
        rows = read(values, start, start + step)
        rows -= centre
        yield slice(start, start + len(rows)), rows, np.einsum("ij,ij->i", rows, rows)


def squared_distances(
    x: np.ndarray, x_squares: np.ndarray, y: np.ndarray, y_squares: np.ndarray
) -> np.ndarray:
    """Squared distances `(n, m)` between rows, from their squared lengths; rounding may put them below 0."""
    squares = x @ (-2.0 * y).T
    squares += x_squares[:, None]
    squares += y_squares
    return squares
