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
    overlap, transport = _transport(second[1], first[1])
    distance = difference @ difference + np.trace(first[1]) + np.trace(second[1]) - 2.0 * overlap
    variance = _variance(generated, second, first[0], transport)
    del transport
    _, transport = _transport(first[1], second[1])
    variance += _variance(real, first, second[0], transport)
    return Estimate(max(distance, 0.0), np.sqrt(variance))


def _transport(source: np.ndarray, target: np.ndarray) -> tuple[float, np.ndarray]:
    """tr (source target)^(1/2), and the matrix of the optimal map from the one normal to the other."""
    # By the symmetric A^(1/2) B A^(1/2), whose eigenvalues are real whatever the rounding.
    values, vectors = eigh(target, driver="evr")
    vectors *= np.clip(values, 0.0, None) ** 0.25
    root = vectors @ vectors.T
    # Of 2,048 features each matrix takes 32 MiB: none is kept longer than it is needed.
    del vectors
    values, vectors = eigh((root @ source @ root).T, driver="evr", overwrite_a=True)
    values = np.clip(values, 0.0, None)
    # Directions in which a set does not vary have eigenvalues of rounding only.
    kept = values > len(values) * np.finfo("float64").eps * values.max()
    vectors *= np.where(kept, np.where(kept, values, 1.0) ** -0.25, 0.0)
    spread = root @ vectors
    return float(np.sqrt(values).sum()), spread @ spread.T


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
