"""The normal distribution cut into the bins of grey levels."""

import math
from typing import Any

from keras import ops

# Below this erfc would soon underflow in float32, and the asymptotic series is good to 1e-5.
_FAR_TAIL = -8.0


def log_normal_cdf(x: Any) -> Any:
    """Returns log P(z <= x) for a standard normal z; accurate in the far lower tail, in float32."""
    near = ops.maximum(x, _FAR_TAIL)
    central = ops.log(0.5 * ops.erfc(near * (-1.0 / math.sqrt(2.0))))
    far = ops.minimum(x, _FAR_TAIL)
    squared = 1.0 / ops.square(far)
    series = ops.log1p(squared * (-1.0 + squared * (3.0 - 15.0 * squared)))
    tail = -0.5 * ops.square(far) - ops.log(-far) - 0.5 * math.log(2.0 * math.pi) + series
    return ops.where(x > _FAR_TAIL, central, tail)


def log_prob(values: Any, mean: Any, deviation: Any, levels: int) -> Any:
    """Returns the log-probability of grey levels, element by element, in nats (Ho et al. 2020, equation 13).

    Args:
        values: In [-1, 1], on the grid of `levels` values; the outer two bins reach to infinity.
        mean: Of the normal distribution, the same shape.
        deviation: Its standard deviation.
        levels: The number of grey levels; the width of a bin is 2 / (levels - 1).

    Returns:
        A tensor of the shape of `values`. Nothing is clamped from below, so it is a true log-probability.
    """
    half = 1.0 / (levels - 1)
    upper = (values + half - mean) / deviation
    lower = (values - half - mean) / deviation
    # In the lower tail the difference of two probabilities keeps its digits: mirror what is in the upper.
    mirrored = upper + lower > 0.0
    upper, lower = ops.where(mirrored, -lower, upper), ops.where(mirrored, -upper, lower)
    log_upper, log_lower = log_normal_cdf(upper), log_normal_cdf(lower)
    ratio = ops.exp(ops.minimum(log_lower - log_upper, -1e-7))
    inside = log_upper + ops.log1p(-ratio)
    below = log_normal_cdf((values + half - mean) / deviation)
    above = log_normal_cdf((mean + half - values) / deviation)
    return ops.where(values < -1.0 + half, below, ops.where(values > 1.0 - half, above, inside))
