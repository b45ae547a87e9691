"""Batch normalization as an invertible layer (Dinh et al. 2017, arXiv 1605.08803, appendix E)."""

import math

import keras
from keras import ops

from gm_keras.layers.bijector import Bijector


@keras.saving.register_keras_serializable("gm_keras")
class RunningNormalization(Bijector):
    """Normalizes each channel by a running average of its mean and variance.

    In training too the running average is what normalizes, the current batch being its newest part, so
    that training and inference differ little even with small batches; gradients pass through the
    current batch's part only.

    Args:
        momentum: Weight of the past in the running averages.
        epsilon: Added to the variance.
    """

    def __init__(self, momentum: float = 0.9, epsilon: float = 1e-5, **options):
        super().__init__(**options)
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape):
        shape = (input_shape[-1],)
        self.mean = self.add_weight(
            shape=shape, initializer="zeros", trainable=False, name="running_mean"
        )
        self.variance = self.add_weight(
            shape=shape, initializer="ones", trainable=False, name="running_variance"
        )
        self._positions = math.prod(input_shape[1:-1])
        self.built = True

    @property
    def statistics(self) -> list[keras.Variable]:
        """What follows the weights without a gradient."""
        return [self.mean, self.variance]

    def transform(self, inputs, training):
        mean, variance = ops.convert_to_tensor(self.mean), ops.convert_to_tensor(self.variance)
        if training:
            axes = tuple(range(len(inputs.shape) - 1))
            batch_mean, batch_variance = ops.moments(inputs, axes)
            mean = self.momentum * mean + (1.0 - self.momentum) * batch_mean
            variance = self.momentum * variance + (1.0 - self.momentum) * batch_variance
        log_deviation = 0.5 * ops.log(variance + self.epsilon)
        outputs = (inputs - mean) * ops.exp(-log_deviation)
        if training:
            self.mean.assign(ops.stop_gradient(mean))
            self.variance.assign(ops.stop_gradient(variance))
        return outputs, -self._log_det(inputs, log_deviation)

    def invert(self, inputs):
        log_deviation = 0.5 * ops.log(ops.convert_to_tensor(self.variance) + self.epsilon)
        outputs = inputs * ops.exp(log_deviation) + self.mean
        return outputs, self._log_det(inputs, log_deviation)

    def _log_det(self, inputs, log_deviation):
        return ops.broadcast_to(self._positions * ops.sum(log_deviation), ops.shape(inputs)[:1])

    def get_config(self):
        return {**super().get_config(), "momentum": self.momentum, "epsilon": self.epsilon}
