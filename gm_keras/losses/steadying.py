"""What steadies the game of a generator and a discriminator (Salimans et al. 2016, arXiv 1606.03498, section 3)."""

from collections.abc import Sequence
from typing import Any

from keras import ops


def feature_matching(real_features: Any, fake_features: Any) -> Any:
    """Returns `|E f(x) - E f(G(z))|^2`: how far the mean features of fakes are from those of data.

    Args:
        real_features: Of a hidden layer of the discriminator, `(batch, width)`.
        fake_features: The same of fakes; the batches may differ in size.
    """
    difference = ops.mean(real_features, axis=0) - ops.mean(fake_features, axis=0)
    return ops.sum(ops.square(difference))


def historical(parameters: Sequence[Any], averages: Sequence[Any]) -> Any:
    """Returns `|theta - average of theta over the past|^2` (historical averaging), summed over all parameters."""
    squares = [
        ops.sum(ops.square(ops.cast(value, "float32") - ops.cast(average, "float32")))
        for value, average in zip(parameters, averages, strict=True)
    ]
    return sum(squares[1:], squares[0])


def smoothed_discriminator(real_logits: Any, fake_logits: Any, smoothing: float) -> Any:
    """Returns the discriminator's cross-entropy with targets of `1 - smoothing` for data and 0 for fakes.

    The smoothing is one-sided: with a target above 0 for fakes, the best discriminator would have peaks where
    the fakes are, which hold them there. Without smoothing it is `adversarial.discriminator`.
    """
    real = (1.0 - smoothing) * ops.softplus(-real_logits) + smoothing * ops.softplus(real_logits)
    return ops.mean(real) + ops.mean(ops.softplus(fake_logits))
