"""Weights as layers compute with them, cast before a loop instead of in each of its turns."""

import contextlib
from collections.abc import Iterator

import keras
from keras import ops


@contextlib.contextmanager
def weights_cast_once(network: keras.Model) -> Iterator[None]:
    """Within it the layers of a network find their matrices in the dtype in which they compute.

    Under a mixed policy each layer casts its weights in each call, which a compiler leaves within a loop: with one token a
    turn that is a good part of the work. Vectors stay as they are, since normalization computes with them in float32.
    Where both dtypes are the same nothing happens.

    Args:
        network: All of its layers have one policy; nothing but its variables may be read meanwhile.
    """
    dtype = keras.backend.standardize_dtype(network.compute_dtype)
    if dtype == network.variable_dtype:
        yield
        return
    values = [(variable, variable.value) for variable in network.variables]
    with keras.StatelessScope() as scope:
        for variable, value in values:
            is_matrix = len(variable.shape) > 1 and keras.backend.is_float_dtype(variable.dtype)
            scope.add_update((variable, ops.cast(value, dtype) if is_matrix else value))
        yield
