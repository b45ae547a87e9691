"""Invertible layers: each maps both ways and says how it changes volume."""

from typing import Any

import keras
from keras import ops


class Bijector(keras.layers.Layer):
    """Base of the invertible layers.

    A call returns `(outputs, log_det)`, where `log_det` `(batch,)` is the logarithm of the absolute
    determinant of the Jacobian of the direction that was asked for, in nats. Computes in float32
    whatever the policy: half precision neither inverts nor integrates to one.

    Subclasses define `transform` and `invert`, and `output_shape_of` where the shape changes.
    (`forward` is not free: on PyTorch it is what calls a Keras layer.)
    """

    def __init__(self, **options):
        super().__init__(**{"dtype": "float32", **options})

    def call(self, inputs, inverse=False, training=False):
        """Maps `inputs`, back if `inverse`; the way back is always that of inference."""
        return self.invert(inputs) if inverse else self.transform(inputs, training)

    def compute_output_spec(self, inputs, inverse=False, training=False):
        # Known without tracing the networks inside, which would take seconds in a deep flow.
        shape = self.output_shape_of(tuple(inputs.shape), inverse)
        return keras.KerasTensor(shape, "float32"), keras.KerasTensor(shape[:1], "float32")

    def output_shape_of(self, shape: tuple, inverse: bool) -> tuple:
        """The shape of the outputs for inputs of `shape`, the batch included in both."""
        return shape

    def transform(self, inputs: Any, training: bool) -> tuple[Any, Any]:
        """Returns `(outputs, log_det)`."""
        raise NotImplementedError(f"{type(self).__name__} must define transform()")

    def invert(self, inputs: Any) -> tuple[Any, Any]:
        """Returns `(outputs, log_det)` of the inverse."""
        raise NotImplementedError(f"{type(self).__name__} must define invert()")


def sum_per_example(values: Any) -> Any:
    """Sums `(batch, ...)` over all but the batch: `(batch,)`."""
    return ops.sum(values, axis=tuple(range(1, len(values.shape))))
