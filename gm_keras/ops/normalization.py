"""Normalization with moments in float32, differentiable twice on every backend."""

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

from gm_keras import backend
from gm_keras.ops.positions import spread, sum_positions
from gm_keras.ops.projection import add_bias


def group_normalize(
    values: Any, gamma: Any, beta: Any, groups: int, epsilon: float, activation: Callable
) -> Any:
    """Normalizes each group of channels over all positions, with moments in float32, and activates.

    Args:
        values: `(batch, positions, channels)`.
        gamma: Scale of each channel, `(channels,)`.
        beta: Shift of each channel, `(channels,)`.
        groups: Into so many the channels are divided.
        epsilon: Added to the variance.
        activation: Of the normalized values.

    Returns:
        `(batch, positions, channels)`, in the dtype of the values.
    """

    def plain(values, gamma, beta):
        return activation(_normalize(values, gamma, beta, groups, epsilon))

    own = backend.kernels()
    if own is not None and activation is keras.activations.silu:
        given = (
            ops.convert_to_tensor(values),
            *(ops.cast(each, "float32") for each in (gamma, beta)),
        )
        outputs = own.normalize(plain, *given, groups, epsilon)
        if outputs is not None:
            return outputs
    return plain(values, gamma, beta)


def _normalize(values, gamma, beta, groups, epsilon):
    """Moments are first taken of each channel, then of the groups: sums over whole rows of channels are fast, and what
    is left to do for each value is one product and one sum."""
    positions = values.shape[1]
    flat = ops.cast(values, "float32")
    mean = _of_groups(sum_positions(flat) / positions, groups)
    # The minus on the few: the gradient of a difference would be turned around for every value.
    deviations = flat + spread(-mean, positions)
    variance = _of_groups(sum_positions(ops.square(deviations)) / positions, groups)
    scale = ops.cast(gamma, "float32") * ops.rsqrt(variance + epsilon)
    outputs = add_bias(deviations * spread(scale, positions), beta)
    return ops.cast(outputs, values.dtype)


def _of_groups(values, groups):
    """The mean over each group of channels, for each channel: `(batch, channels)`."""
    channels = values.shape[-1]
    size = channels // groups
    means = ops.mean(ops.reshape(values, (-1, groups, size)), axis=2, keepdims=True)
    spread_out = ops.broadcast_to(means, (ops.shape(means)[0], groups, size))
    return ops.reshape(spread_out, (-1, channels))


def layer_normalize(values: Any, gamma: Any, beta: Any, epsilon: float) -> Any:
    """Normalizes each row of features, for backends that have `kernels()`.

    Args:
        values: `(..., features)`.
        gamma: Scale of each feature.
        beta: Shift of each feature.
        epsilon: Added to the variance.

    Returns:
        The same shape, in the dtype of the values.
    """
    own, features = backend.kernels(), values.shape[-1]
    flat = ops.cast(values, "float32")
    deviations = flat + own.spread_features(-own.sum_features(flat) / features, features)
    variance = own.sum_features(ops.square(deviations)) / features
    normal = deviations * own.spread_features(ops.rsqrt(variance + epsilon), features)
    outputs = own.scale_features(normal, ops.cast(gamma, "float32"))
    return ops.cast(own.add_bias(outputs, ops.cast(beta, "float32")), values.dtype)
