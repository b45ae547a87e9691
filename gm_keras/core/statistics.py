"""Calling a network without changing its state."""

import contextlib
from collections.abc import Iterator

import keras
from keras import ops


@contextlib.contextmanager
def unchanged(*networks: keras.layers.Layer) -> Iterator[None]:
    """Within this context networks may be called with `training=True`; their state is as before afterwards.

    For the phase of another network: there batch normalization must normalize by the statistics of the
    batch, as in training, and yet must not count that batch in its moving averages, which belong to the
    phase that updates the network. Works on every backend, in compiled functions too.

    Args:
        *networks: Layers or models whose non-trainable weights are put back. States of seed generators
            are no weights and move on, so that dropout draws anew.
    """
    weights = [weight for network in networks for weight in network.non_trainable_weights]
    # Copies, because PyTorch assigns in place.
    before = [ops.copy(weight) for weight in weights]
    yield
    for weight, value in zip(weights, before, strict=True):
        weight.assign(value)
