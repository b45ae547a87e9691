"""What keeps a discriminator or critic from being too steep: penalties on its gradient with respect to its input.

Each is a function of gradients `(batch, ...)`, those of the output for each example with respect to that example.
`PENALTIES` says by name at which points it is taken. Clipping bounds the weights themselves.
"""

import dataclasses
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal

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


def squared_norms(gradients: Any) -> Any:
    """Returns the squared Euclidean norm of each example's gradient: `(batch, ...)` to `(batch,)`."""
    return ops.sum(ops.square(gradients), axis=tuple(range(1, len(gradients.shape))))


def gradient_norms(gradients: Any) -> Any:
    """Returns the Euclidean norm of each example's gradient: `(batch, ...)` to `(batch,)`."""
    # The derivative of a square root at 0 is infinite: a dead network would give NaN.
    return ops.sqrt(squared_norms(gradients) + 1e-12)


def gradient_penalty(gradients: Any, target: float = 1.0) -> Any:
    """Returns the mean of `(norm of the gradient - target)^2` (Gulrajani et al. 2017), unweighted.

    Args:
        gradients: Of the critic's output for each example with respect to that example, `(batch, ...)`.
        target: The norm at which the penalty is 0.
    """
    return ops.mean(ops.square(gradient_norms(gradients) - target))


def zero_centred(gradients: Any) -> Any:
    """Returns half of the mean squared norm of the gradient (Mescheder et al. 2018), unweighted.

    At data it is their R1, at fakes R2.
    """
    return 0.5 * ops.mean(squared_norms(gradients))


def max_gradient_penalty(gradients: Any) -> Any:
    """Returns the largest squared norm of a gradient in the batch (Zhou et al. 2019, MaxGP), unweighted.

    It estimates the square of the Lipschitz constant, which is a maximum and no mean.
    """
    return ops.max(squared_norms(gradients))


def clipped(weights: Any, bound: float) -> Any:
    """Returns weights cut to [-bound, bound] (Arjovsky et al. 2017)."""
    return ops.clip(weights, -bound, bound)


@dataclasses.dataclass(frozen=True)
class Penalty:
    """A penalty on the slope of a discriminator or critic.

    Attributes:
        name: Of its curve, which has the value before it is weighted.
        value: `value(gradients)`, a scalar.
        at: The points of the gradients: "data", "fakes", or "between" both.
        weight: The usual one, that of its paper.
    """

    name: str
    value: Callable[[Any], Any]
    at: Literal["data", "fakes", "between"]
    weight: float


#: By name.
PENALTIES: Mapping[str, Penalty] = MappingProxyType(
    {
        each.name: each
        for each in (
            Penalty("gradient_penalty", gradient_penalty, "between", 10.0),
            # Of the authors' code.
            Penalty("max_gradient_penalty", max_gradient_penalty, "between", 0.1),
            Penalty("r1", zero_centred, "data", 10.0),
            Penalty("r2", zero_centred, "fakes", 10.0),
        )
    }
)
