"""What arrays of real numbers are checked for: that they are finite, and within their bounds."""

import math

import numpy as np

#: Pixels may leave their range by so much: interpolation does that.
TOLERANCE = 1e-3


def extent(name: str, values: np.ndarray) -> tuple[float, float]:
    """The lowest and the highest value.

    Raises:
        ValueError: One line, if the values are no finite numbers.
    """
    if values.dtype.kind not in "biuf" and values.dtype.name != "bfloat16":
        raise ValueError(f'"{name}" must be an array of numbers, not of {values.dtype}')
    low, high = float(values.min()), float(values.max())
    if math.isnan(low) or math.isinf(low) or math.isinf(high):
        raise ValueError(f'"{name}" has values that are NaN or infinite: remove these examples')
    return low, high


def within(bounds: tuple[float, float], low: float, high: float) -> bool:
    """Whether values from `low` to `high` lie within the bounds, but for the rounding of interpolation."""
    return bounds[0] - TOLERANCE <= low and high <= bounds[1] + TOLERANCE
