"""Scores of two sets of features, as an engineer who knows PyTorch and SciPy would write them.

They give no standard errors, which ours do; they hold whole sets in memory, and matrices of distances by bands of rows.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import scipy.linalg
import torch
from torch import Tensor

#: Rows of a band of a matrix between all rows of two sets.
BAND = 1024


def frechet_distance(real: Tensor, generated: Tensor) -> list[float]:
    """Heusel et al. 2017 (arXiv 1706.08500), the trace by the eigenvalues of a symmetric matrix."""
    (mean, first), (other_mean, second) = moments(real), moments(generated)
    factor, failed = torch.linalg.cholesky_ex(first)
    if failed:
        values, vectors = torch.linalg.eigh(first)
        factor = vectors * values.clamp_min(0.0).sqrt()
    overlap = torch.linalg.eigvalsh(factor.T @ second @ factor).clamp_min(0.0).sqrt().sum()
    shift = (mean - other_mean).square().sum()
    return [float(shift + first.trace() + second.trace() - 2.0 * overlap)]


def frechet_distance_by_sqrtm(real: Tensor, generated: Tensor) -> list[float]:
    """The same by SciPy's root of the product of the covariances, as the programs of the papers have it."""
    sets = real.numpy(), generated.numpy()
    means = [values.mean(axis=0) for values in sets]
    covariances = [np.cov(values, rowvar=False) for values in sets]
    root = scipy.linalg.sqrtm(covariances[0] @ covariances[1])
    shift = means[0] - means[1]
    trace = sum(np.trace(each) for each in covariances) - 2.0 * np.trace(root.real)
    return [float(shift @ shift + trace)]


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and unbiased covariance."""
    mean = features.mean(0)
    centred = features - mean
    return mean, centred.T @ centred / (len(features) - 1)


def kernel_distance(real: Tensor, generated: Tensor) -> list[float]:
    """The unbiased estimate with a cubic kernel, of whole sets: Bińkowski et al. 2018 (arXiv 1801.01401)."""
    n, m = len(real), len(generated)
    within = _within(real) / (n * (n - 1)) + _within(generated) / (m * (m - 1))
    across = sum(
        float(_kernel(band, generated).sum(dtype=torch.float64)) for _, band in bands(real)
    )
    return [within - 2.0 * across / (n * m)]


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return torch.addmm(x.new_ones(1), x, y.T, alpha=1.0 / x.shape[1]).pow_(3)


def _within(x: Tensor) -> float:
    total = 0.0
    for start, band in bands(x):
        # The matrix is symmetric: only what lies right of the diagonal is computed.
        values = _kernel(band, x[start:])
        square = values[:, : len(band)]
        total += 2.0 * float(values.sum(dtype=torch.float64))
        total -= float(square.sum(dtype=torch.float64) + square.diagonal().sum(dtype=torch.float64))
    return total


def precision_recall(real: Tensor, generated: Tensor, k: int = 3) -> list[float]:
    """Kynkäänniemi et al. 2019 (arXiv 1904.06991), from one matrix between the sets."""
    squares = [values.square().sum(1) for values in (real, generated)]
    radii = [_radii(real, squares[0], k), _radii(generated, squares[1], k)]
    precise = torch.zeros(len(generated), dtype=torch.bool)
    recalled = torch.empty(len(real), dtype=torch.bool)
    for start, band in bands(real):
        rows = slice(start, start + len(band))
        distances = squared_distances(band, squares[0][rows], generated, squares[1])
        precise |= (distances <= radii[0][rows, None]).any(0)
        recalled[rows] = (distances <= radii[1]).any(1)
    return [float(precise.double().mean()), float(recalled.double().mean())]


def _radii(x: Tensor, squares: Tensor, k: int) -> Tensor:
    radii = torch.empty_like(squares)
    for start, band in bands(x):
        rows = slice(start, start + len(band))
        distances = squared_distances(band, squares[rows], x, squares)
        # A row is no neighbour of its own.
        distances[:, rows].fill_diagonal_(torch.inf)
        # Faster than kthvalue.
        radii[rows] = distances.topk(k, dim=1, largest=False, sorted=False).values.amax(1)
    return radii


def squared_distances(x: Tensor, x_squares: Tensor, y: Tensor, y_squares: Tensor) -> Tensor:
    """Between all rows of `(n, d)` and `(m, d)`."""
    return torch.addmm(y_squares, x, y.T, alpha=-2.0).add_(x_squares[:, None])


def bands(x: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Some rows at a time, with the index of the first."""
    return ((start, x[start : start + BAND]) for start in range(0, len(x), BAND))


class Score:
    """Computes one score again and again.

    Args:
        score: The name of a function of this module.
        real: The `.npy` file of real features.
        generated: The file of generated ones.
        dtype: In which it is computed.
    """

    def __init__(self, score: str, real: str, generated: str, dtype: str):
        self._score: Callable[[Tensor, Tensor], list[float]] = globals()[score]
        self._features = torch.from_numpy(np.load(real)), torch.from_numpy(np.load(generated))
        self._dtype = getattr(torch, dtype)
        self._done = 0

    def run(self, times: int) -> None:
        """Computes the score so many times, from float32 features."""
        for _ in range(times):
            self._values = self._score(*(each.to(self._dtype) for each in self._features))
            self._done += 1

    def facts(self) -> dict[str, Any]:
        """The values, and how often they were computed."""
        return {"done": self._done, "values": self._values}
