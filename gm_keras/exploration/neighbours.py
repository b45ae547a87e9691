"""The training examples that are nearest to samples: what a model that has learned by heart gives away."""

from collections.abc import Iterable

import numpy as np
from sklearn.neighbors import NearestNeighbors


def nearest(
    queries: np.ndarray, parts: Iterable[np.ndarray], k: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Finds the nearest rows by Euclidean distance in a set that is read part by part.

    Memory holds one part, whatever the length of the set.

    Args:
        queries: `(n, ...)`, flattened to vectors.
        parts: The set, some rows `(rows, ...)` at a time.
        k: How many neighbours.

    Returns:
        Their places in the set and their distances, each `(n, k)`, the nearest first. A copy has the
        distance 0.

    Raises:
        ValueError: If the set has fewer than k rows.
    """
    queries = np.asarray(queries, "float64").reshape(len(queries), -1)
    places = np.full((len(queries), k), -1)
    distances = np.full((len(queries), k), np.inf)
    seen = 0
    for part in parts:
        part = np.asarray(part, "float64").reshape(len(part), -1)
        search = NearestNeighbors(n_neighbors=min(k, len(part)), algorithm="brute").fit(part)
        found = search.kneighbors(queries, return_distance=False)
        # The search expands the square, which leaves a copy at a small distance.
        exact = np.stack(
            [np.linalg.norm(queries - part[each], axis=-1) for each in found.T], axis=1
        )
        places = np.concatenate([places, found + seen], axis=1)
        distances = np.concatenate([distances, exact], axis=1)
        order = np.lexsort((places, distances))[:, :k]
        places = np.take_along_axis(places, order, axis=1)
        distances = np.take_along_axis(distances, order, axis=1)
        seen += len(part)
    if seen < k:
        raise ValueError(f"the set has {seen} rows, which are fewer than the {k} neighbours")
    return places, distances
