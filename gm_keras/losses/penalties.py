"""Penalties on the gradient of a discriminator or critic with respect to its input."""

from typing import Any

from keras import ops


def interpolates(real: Any, fake: Any, fractions: Any) -> Any:
    """Returns points on the straight lines from fakes to data.

    Args:
        real: Data `(batch, ...)`.
        fake: Samples of the same shape.
        fractions: In [0, 1], `(batch,)`: 0 is the fake, 1 the datum.

    Returns:
        A tensor of the shape of `real`.
    """
    fractions = ops.reshape(fractions, (-1, *[1] * (len(real.shape) - 1)))
    return fake + fractions * (real - fake)


def gradient_norms(gradients: Any) -> Any:
    """Returns the Euclidean norm of each example's gradient: `(batch, ...)` to `(batch,)`."""
    squares = ops.sum(ops.square(gradients), axis=tuple(range(1, len(gradients.shape))))
    # The derivative of a square root at 0 is infinite: a dead network would give NaN.
    return ops.sqrt(squares + 1e-12)


def gradient_penalty(gradients: Any, target: float = 1.0) -> Any:
    """Returns the mean of `(norm of the gradient - target)^2` (Gulrajani et al. 2017), unweighted.

    Args:
        gradients: Of the critic's output for each example with respect to that example, `(batch, ...)`.
        target: The norm at which the penalty is 0.
    """
    return ops.mean(ops.square(gradient_norms(gradients) - target))
