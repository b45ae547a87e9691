"""Eight Gaussians on a circle, on which small games are played, and what samples of them are worth."""

import numpy as np

MODES, RADIUS, SIGMA = 8, 2.0**0.5, 0.15
ANGLES = 2.0 * np.pi * np.arange(MODES) / MODES
CENTRES = RADIUS * np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=-1)


def gaussians(n: int, seed: int = 0) -> np.ndarray:
    """Draws from eight Gaussians on a circle."""
    rng = np.random.default_rng(seed)
    points = CENTRES[rng.integers(MODES, size=n)] + SIGMA * rng.normal(size=(n, 2))
    return points.astype("float32")


def quality(points: np.ndarray) -> tuple[int, float]:
    """The modes with at least half their share of good points, and the share of good points.

    A point is good within three standard deviations of a mode: 98.9 % of the data are.
    """
    distances = np.linalg.norm(points[:, None] - CENTRES, axis=-1)
    good = distances.min(axis=1) < 3.0 * SIGMA
    shares = np.bincount(distances.argmin(axis=1)[good], minlength=MODES) / len(points)
    return int((shares >= 0.5 / MODES).sum()), float(good.mean())
