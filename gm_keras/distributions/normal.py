"""The normal distribution with a diagonal covariance."""

import math
from typing import Any

from keras import ops

LOG_TWO_PI = math.log(2.0 * math.pi)


def log_prob(values: Any, mean: Any = 0.0, log_variance: Any = 0.0) -> Any:
    """Returns the log-density, element by element, in nats."""
    log_variance = ops.convert_to_tensor(log_variance, dtype=values.dtype)
    squared = ops.square(values - mean) * ops.exp(-log_variance)
    return -0.5 * (squared + log_variance + LOG_TWO_PI)


def kl_to_standard(mean: Any, log_variance: Any) -> Any:
    """Returns the divergence KL(N(mean, variance) || N(0, 1)), element by element, in nats."""
    return 0.5 * (ops.square(mean) + ops.exp(log_variance) - 1.0 - log_variance)


def kl(mean: Any, log_variance: Any, other_mean: Any, other_log_variance: Any) -> Any:
    """Returns KL(N(mean, variance) || N(other_mean, other_variance)), element by element, in nats."""
    difference = ops.square(mean - other_mean) * ops.exp(-other_log_variance)
    ratio = ops.exp(log_variance - other_log_variance)
    return 0.5 * (other_log_variance - log_variance + ratio + difference - 1.0)
