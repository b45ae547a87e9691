"""Estimates by importance sampling."""

import math

from keras import ops


def log_mean_weight(log_weights, draws: int):
    """The logarithm of the mean weight, and its standard error by the delta method.

    Args:
        log_weights: `(draws, batch)`.
        draws: How many.

    Returns:
        Two tensors `(batch,)`.
    """
    estimate = ops.logsumexp(log_weights, axis=0) - math.log(draws)
    relative = ops.exp(log_weights - estimate)
    return estimate, ops.std(relative, axis=0) / math.sqrt(draws)
