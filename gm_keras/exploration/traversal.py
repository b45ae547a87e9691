"""Latents changed one dimension at a time, or all at once in their length."""

from typing import Any

import numpy as np
from scipy import stats

# More dimensions than these are not tried out to find those that matter.
TRIED = 64


def prior_quantiles(model: Any, probabilities: np.ndarray) -> np.ndarray:
    """The values of one latent below which these shares of the prior lie."""
    if model.latent_prior == "uniform":
        return stats.uniform.ppf(probabilities, -1.0, 2.0).astype("float32")
    return stats.norm.ppf(probabilities).astype("float32")


def traversal(start: np.ndarray, dimensions: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Copies of latents that differ in one dimension each.

    Args:
        start: Latents `(latent_dim,)`.
        dimensions: The dimensions to change, `(rows,)`.
        values: What they are set to, `(columns,)`.

    Returns:
        Latents `(rows, columns, latent_dim)`.
    """
    latents = np.tile(np.asarray(start, "float32"), (len(dimensions), len(values), 1))
    for row, dimension in enumerate(dimensions):
        latents[row, :, dimension] = values
    return latents


def by_effect(decoded: np.ndarray) -> np.ndarray:
    """Orders the rows of a decoded traversal `(rows, columns, ...)`: those that change the example most first.

    The effect is the variance over the columns, summed over the values of an example.
    """
    flat = decoded.reshape(*decoded.shape[:2], -1).astype("float64")
    return np.argsort(-flat.var(axis=1).sum(axis=-1), kind="stable")


def scaled(latents: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """The same latents `(n, ...)` with other lengths: `(scales, n, ...)`."""
    return np.asarray(scales, "float32").reshape(-1, *[1] * latents.ndim) * latents
