"""What layers know of the data that went through them: to keep it as it is, and to find it."""

import contextlib
from collections.abc import Iterator, Sequence

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


def statistics(networks: Sequence[keras.layers.Layer]) -> list[keras.Variable]:
    """What follows the trained weights without a gradient, such as the moments in batch normalization.

    Args:
        networks: Layers or models. A layer of our own names its variables in a property `statistics`.

    Returns:
        The variables, each once. Weights that are averaged need averages of these beside them.
    """
    found = {}
    for layer in (each for network in networks for each in network._flatten_layers()):
        if isinstance(layer, keras.layers.BatchNormalization):
            own = layer.non_trainable_weights
        else:
            own = getattr(layer, "statistics", ())
        found |= {id(variable): variable for variable in own}
    return list(found.values())
