"""Virtual batch normalization (Salimans et al. 2016, arXiv 1606.03498, section 3.5).

A network has three parts for it: `WithReference` puts a reference batch, drawn once, before the examples,
`VirtualBatchNormalization` normalizes by it, `WithoutReference` takes it away at the end. What the network makes of
an example then depends on no other example, and there are no moving averages.
"""

import keras
from keras import ops

from gm_keras.layers.initializers import HostUniform


@keras.saving.register_keras_serializable("gm_keras")
class WithReference(keras.layers.Layer):
    """Puts a reference batch before the examples of a batch.

    Args:
        size: Of the reference batch.
        initializer: Draws it, once; None is uniform in [-1, 1].
    """

    def __init__(self, size, initializer=None, **options):
        super().__init__(**options)
        self.size = size
        self.initializer = keras.initializers.get(initializer or HostUniform())

    def build(self, input_shape):
        self.reference = self.add_weight(
            shape=(self.size, *input_shape[1:]),
            initializer=self.initializer,
            trainable=False,
            name="reference",
        )

    def call(self, inputs):
        """Maps `(batch, ...)` to `(size + batch, ...)`."""
        reference = ops.cast(self.reference, inputs.dtype)
        return ops.concatenate([reference, inputs])

    def compute_output_shape(self, input_shape):
        batch = input_shape[0]
        return (None if batch is None else self.size + batch, *input_shape[1:])

    def get_config(self):
        initializer = keras.initializers.serialize(self.initializer)
        return {**super().get_config(), "size": self.size, "initializer": initializer}


@keras.saving.register_keras_serializable("gm_keras")
class VirtualBatchNormalization(keras.layers.Layer):
    """Normalizes each example by the moments of a reference batch and of the example itself.

    The moments of a channel are taken over the batch and over all places, as in batch normalization. The example
    counts as one of `size + 1`; the reference batch is normalized by its own moments.

    Args:
        size: Of the reference batch, which comes first.
        epsilon: Added to the variance.
        gamma_initializer: Of the scales.
    """

    def __init__(self, size, epsilon=1e-5, gamma_initializer="ones", **options):
        super().__init__(**options)
        self.size = size
        self.epsilon = epsilon
        self.gamma_initializer = keras.initializers.get(gamma_initializer)

    def build(self, input_shape):
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(shape=shape, initializer=self.gamma_initializer, name="gamma")
        self.beta = self.add_weight(shape=shape, initializer="zeros", name="beta")

    def call(self, inputs):
        """Normalizes `(size + batch, ..., channels)`; moments in float32."""
        x = ops.cast(inputs, "float32")
        places = tuple(range(1, len(x.shape) - 1))
        # Of each example: its own, then, for those after the reference batch, mixed with the reference's.
        means, squares = x, ops.square(x)
        if places:
            means, squares = (ops.mean(each, places, keepdims=True) for each in (means, squares))
        mean, square = (self._mixed(each) for each in (means, squares))
        variance = ops.maximum(square - ops.square(mean), 0.0)
        normalized = (x - mean) * ops.rsqrt(variance + self.epsilon)
        outputs = normalized * ops.cast(self.gamma, "float32") + ops.cast(self.beta, "float32")
        return ops.cast(outputs, self.compute_dtype)

    def _mixed(self, moments):
        reference = ops.mean(moments[: self.size], axis=0, keepdims=True)
        share = 1.0 / (self.size + 1.0)
        own = share * moments[self.size :] + (1.0 - share) * reference
        return ops.concatenate([ops.repeat(reference, self.size, axis=0), own])

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {
            **super().get_config(),
            "size": self.size,
            "epsilon": self.epsilon,
            "gamma_initializer": keras.initializers.serialize(self.gamma_initializer),
        }


@keras.saving.register_keras_serializable("gm_keras")
class WithoutReference(keras.layers.Layer):
    """Takes the reference batch away.

    Args:
        size: Of the reference batch, which comes first.
    """

    def __init__(self, size, **options):
        super().__init__(**options)
        self.size = size

    def call(self, inputs):
        """Maps `(size + batch, ...)` to `(batch, ...)`."""
        return inputs[self.size :]

    def compute_output_shape(self, input_shape):
        batch = input_shape[0]
        return (None if batch is None else batch - self.size, *input_shape[1:])

    def get_config(self):
        return {**super().get_config(), "size": self.size}
