"""Pictures of games on the plane, drawn as SVG: the way of a method, its eigenvalues, its distance."""

import math
from dataclasses import dataclass

import numpy as np

#: The side of a picture of the plane, and how far from the equilibrium it reaches.
SIDE, REACH = 200, 2.0
#: The arrows of a field in a row.
ARROWS = 9
#: The picture of distances; what is nearer or farther lies on its edge.
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 320, 104, 34, 314, 8, 80
NEAREST, FARTHEST = 1e-6, 1e3
TICKS = ((1e-6, "10⁻⁶"), (1e-3, "10⁻³"), (1.0, "1"), (1e3, "10³"))
# Pixels between two points of a way, and the length of the longest arrow.
_APART, _LONGEST = 1.5, 16.0


@dataclass(frozen=True)
class Way:
    """The ways from some starts: lines for SVG, and where each begins."""

    lines: tuple[str, ...]
    starts: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Spectrum:
    """Eigenvalues in the complex plane: the radius of the unit circle in pixels, and a place for each."""

    circle: float
    values: tuple[tuple[float, float], ...]


def way(points: np.ndarray) -> Way:
    """Draws ways `(steps, n, 2)`, which may end in NaN."""
    return Way(
        lines=tuple(_line(_pixels(points[:, each])) for each in range(points.shape[1])),
        starts=tuple((f"{x:.1f}", f"{y:.1f}") for x, y in _pixels(points[0])),
    )


def grid() -> np.ndarray:
    """Returns the points at which a field is drawn: `(ARROWS * ARROWS, 2)`."""
    places = (np.arange(ARROWS) + 0.5) / ARROWS * 2.0 - 1.0
    return REACH * np.stack(np.meshgrid(places, places), axis=-1).reshape(-1, 2)


def arrows(field: np.ndarray) -> str:
    """Draws where players are pushed at the points of `grid`: a path for SVG.

    Args:
        field: What they step against there, `(ARROWS * ARROWS, 2)`.
    """
    lengths = np.linalg.norm(field, axis=-1, keepdims=True)
    longest = np.quantile(lengths, 0.9)
    if longest == 0.0:
        return ""
    # Lengths stand for the speed, but what is far too quick is not drawn across the others.
    steps = -_LONGEST * field / np.maximum(lengths, longest) * [1.0, -1.0]
    return "".join(
        f"M{x - dx / 2:.1f} {y - dy / 2:.1f}l{dx:.1f} {dy:.1f}"
        for (x, y), (dx, dy) in zip(_pixels(grid()), steps, strict=True)
    )


def spectrum(values: np.ndarray) -> Spectrum:
    """Draws eigenvalues `(n,)`; one that is far out lies on the edge."""
    circle = SIDE / 2 / 1.25
    half = SIDE / 2 - 4.0
    places = circle * np.stack([values.real, -values.imag], axis=-1)
    places = np.clip(places, -half, half) + SIDE / 2
    return Spectrum(circle, tuple((round(x, 1), round(y, 1)) for x, y in places.tolist()))


def decline(distances: np.ndarray) -> str:
    """Draws distances `(steps,)` on a logarithmic scale: points for SVG."""
    across = LEFT + (RIGHT - LEFT) * np.arange(len(distances)) / max(len(distances) - 1, 1)
    # As many as can be told apart.
    chosen = np.unique(np.linspace(0, len(distances) - 1, RIGHT - LEFT).round().astype(int))
    return " ".join(f"{across[each]:.1f},{height(distances[each]):.1f}" for each in chosen)


def height(distance: float) -> float:
    """Where a distance is, from the top."""
    clipped = min(max(distance, NEAREST), FARTHEST)
    part = math.log(clipped / NEAREST) / math.log(FARTHEST / NEAREST)
    return round(BOTTOM - (BOTTOM - TOP) * part, 1)


def _pixels(points: np.ndarray) -> np.ndarray:
    # A little beyond the edge: of what is far away only the direction is to be seen.
    near = np.clip(points / REACH, -4.0, 4.0)
    return SIDE / 2 * (1.0 + near * [1.0, -1.0])


def _line(pixels: np.ndarray) -> str:
    kept, last = [], np.full(2, np.inf)
    for each in pixels[~np.isnan(pixels).any(axis=-1)]:
        if np.abs(each - last).max() >= _APART:
            kept.append(f"{each[0]:.1f},{each[1]:.1f}")
            last = each
    return " ".join(kept)
