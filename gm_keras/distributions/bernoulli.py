"""The Bernoulli distribution, given by logits."""

from typing import Any

from keras import ops


def log_prob(values: Any, logits: Any) -> Any:
    """Returns the log-probability, element by element, in nats.

    Args:
        values: In [0, 1]; between the ends it is the cross-entropy (a relaxed likelihood).
        logits: Of the probability of 1, the same shape.

    Returns:
        A tensor of the same shape.
    """
    return values * logits - ops.softplus(logits)
