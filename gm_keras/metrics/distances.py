"""Distances between two sets of features."""

import numpy as np


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> float:
    """Fréchet distance between the normal distributions fitted to two sets of features.

    Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", arXiv 1706.08500. With the features of
    the Inception network it is the FID; with others it must be called by another name.

    Args:
        real: Features `(n, d)`.
        generated: Features `(m, d)`.

    Returns:
        The squared distance, at least 0; computed in float64 with unbiased covariances.

    Raises:
        ValueError: If the arrays do not fit each other, hold fewer than two rows, or are not finite.
    """
    real, generated = checked(real, generated, at_least=2)
    difference = real.mean(axis=0) - generated.mean(axis=0)
    first = np.atleast_2d(np.cov(real, rowvar=False))
    second = np.atleast_2d(np.cov(generated, rowvar=False))
    # tr (AB)^(1/2) by the symmetric A^(1/2) B A^(1/2), whose eigenvalues are real whatever the rounding.
    values, vectors = np.linalg.eigh(first)
    root = (vectors * np.sqrt(np.clip(values, 0.0, None))) @ vectors.T
    cross = np.linalg.eigvalsh(root @ second @ root)
    overlap = np.sqrt(np.clip(cross, 0.0, None)).sum()
    distance = difference @ difference + np.trace(first) + np.trace(second) - 2.0 * overlap
    return float(max(distance, 0.0))


def checked(
    real: np.ndarray, generated: np.ndarray, at_least: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns both sets as float64 after a look at their shapes and values."""
    arrays = []
    for name, values in (("real", real), ("generated", generated)):
        values = np.asarray(values, dtype="float64")
        if values.ndim != 2 or len(values) < at_least:
            raise ValueError(
                f"{name} must be an array (n, d) with n of at least {at_least}, not {values.shape}"
            )
        if not np.isfinite(values).all():
            raise ValueError(f"{name} holds values that are not finite")
        arrays.append(values)
    if arrays[0].shape[1] != arrays[1].shape[1]:
        raise ValueError(
            f"real and generated differ in width: {arrays[0].shape[1]} and {arrays[1].shape[1]}"
        )
    return arrays[0], arrays[1]
