"""Precision and recall by nearest neighbours."""

import numpy as np
from sklearn.neighbors import NearestNeighbors

from gm_keras.metrics.distances import checked

# Rows of the distance matrix that are held at a time.
CHUNK = 1024


def precision_recall(real: np.ndarray, generated: np.ndarray, k: int = 3) -> tuple[float, float]:
    """Improved precision and recall (Kynkäänniemi et al. 2019, arXiv 1904.06991).

    Args:
        real: Features `(n, d)`.
        generated: Features `(m, d)`.
        k: A sample's ball reaches to its k-th nearest neighbour within its own set.

    Returns:
        The share of generated samples within the balls of the real ones (precision), and of real samples
        within the balls of the generated ones (recall), each in [0, 1].

    Raises:
        ValueError: If a set has no more than `k` rows, or the arrays do not fit each other.
    """
    real, generated = checked(real, generated, at_least=k + 1)
    return _covered(generated, real, k), _covered(real, generated, k)


def _covered(points: np.ndarray, centres: np.ndarray, k: int) -> float:
    # The first neighbour of a point within its own set is the point itself.
    radii = NearestNeighbors(n_neighbors=k + 1).fit(centres).kneighbors(centres)[0][:, -1]
    norms = np.einsum("ij,ij->i", centres, centres)
    inside = 0
    for start in range(0, len(points), CHUNK):
        part = points[start : start + CHUNK]
        squared = np.einsum("ij,ij->i", part, part)[:, None] + norms - 2.0 * part @ centres.T
        # Rounding of the expanded square must not push a point off the rim of its own ball.
        slack = 1e-9 * (1.0 + norms)
        inside += int((squared <= radii**2 + slack).any(axis=1).sum())
    return inside / len(points)
