"""Likelihoods in the units that papers report."""

import math


def bits_per_dim(nats: float, dimensions: int) -> float:
    """Turns a negative log-likelihood of one example into bits for each of its dimensions.

    Args:
        nats: Negative log-likelihood (or its bound) of discrete data, in nats for an example.
        dimensions: Values in an example, for example 784.

    Raises:
        ValueError: If there are no dimensions.
    """
    if dimensions < 1:
        raise ValueError(f"dimensions must be at least 1, not {dimensions}")
    return nats / (dimensions * math.log(2.0))
