"""The Fréchet distance between two sets of features."""

import numpy as np
from scipy.linalg import eigh

from gm_keras.metrics.estimate import Estimate
from gm_keras.metrics.moments import mean_and_covariance
from gm_keras.metrics.streams import checked_pair, chunks

Normal = tuple[np.ndarray, np.ndarray]


def frechet_distance(real: np.ndarray, generated: np.ndarray) -> Estimate:
    """Fréchet distance between the normal distributions fitted to two sets of features.

    Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule", arXiv 1706.08500. With the features of
    the Inception network it is the FID; with others it must be called by another name.

    The standard error is that of the delta method: the spread of the influence that each row of either set has on the
    distance. It ignores the bias of the distance, which is upwards and falls with 1/n, and it supposes many more rows
    than dimensions; between two sets of one distribution, where the influence vanishes, the bias is the larger part.

    Args:
        real: Features `(n, d)`; an array or a memory map.
        generated: Features `(m, d)`, likewise.

    Returns:
        The squared distance, at least 0; computed in float64 with unbiased covariances.

    Raises:
        TooFewSamples: If a set has no more rows than dimensions: its covariance would be singular.
        ValueError: If the arrays do not fit each other or are not finite.
    """
    width = np.shape(real)[1] if np.ndim(real) == 2 else 1
    reason = f"one more than its {width} dimensions"
    real, generated = checked_pair(real, generated, max(2, width + 1), reason)
    first = mean_and_covariance(real, "moments of real")
    second = mean_and_covariance(generated, "moments of generated")
    difference = first[0] - second[0]
    overlap, to_first, to_second = _transports(first[1], second[1])
    distance = difference @ difference + np.trace(first[1]) + np.trace(second[1]) - 2.0 * overlap
    variance = _variance(real, first, second[0], to_second)
    del to_second
    variance += _variance(generated, second, first[0], to_first)
    return Estimate(max(distance, 0.0), np.sqrt(variance))


def _transports(first: np.ndarray, second: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """tr (first second)^(1/2), and the matrices of the optimal maps from the second normal to the first and back."""
    # By the symmetric A^(1/2) B A^(1/2), whose eigenvalues are real whatever the rounding. Of its decomposition with
    # C = (A^(1/2) B A^(1/2))^(1/2), the maps are A^(1/2) C^-1 A^(1/2) and, its inverse, A^(-1/2) C A^(-1/2).
    values, vectors = eigh(first, driver="evr")
    scaled = vectors * np.clip(values, 0.0, None) ** 0.25
    root = scaled @ scaled.T
    scaled = vectors * _scales(values, -0.25)
    inverse = scaled @ scaled.T
    # Of 2,048 features each matrix takes 32 MiB: none is kept longer than it is needed.
    del vectors, scaled
    values, vectors = eigh((root @ second @ root).T, driver="evr", overwrite_a=True)
    overlap = float(np.sqrt(np.clip(values, 0.0, None)).sum())
    spread = root @ (vectors * _scales(values, -0.25))
    del root
    to_first = spread @ spread.T
    spread = inverse @ (vectors * _scales(values, 0.25))
    del inverse, vectors
    return overlap, to_first, spread @ spread.T


def _scales(values: np.ndarray, exponent: float) -> np.ndarray:
    """Eigenvalues to a power; directions in which a set does not vary, whose values are rounding only, are left out."""
    kept = values > len(values) * np.finfo("float64").eps * values.max()
    return np.where(kept, np.where(kept, values, 1.0) ** exponent, 0.0)


def _variance(
    values: np.ndarray, normal: Normal, other_mean: np.ndarray, transport: np.ndarray
) -> float:
    """The variance that the rows of one set give the distance; `transport` is overwritten."""
    mean, covariance = normal
    curvature = np.negative(transport, out=transport)
    curvature[np.diag_indices_from(curvature)] += 1.0
    centre = float(np.vdot(curvature, covariance))
    total = 0.0
    for _, part in chunks(values, "standard error"):
        part -= mean
        influence = 2.0 * part @ (mean - other_mean) - centre
        influence += np.einsum("ij,ij->i", part @ curvature, part)
        total += float(influence @ influence)
    return total / len(values) ** 2
