"""From grey levels to the whole line."""

import math

import keras
from keras import ops

from gm_keras.layers.bijector import Bijector, sum_per_example


@keras.saving.register_keras_serializable("gm_keras")
class GreyLevelLogit(Bijector):
    """Takes dequantized grey levels to logits (Dinh et al. 2017, arXiv 1605.08803, section 4.1).

    Level v of 0 .. levels - 1 comes as x = 2 v / (levels - 1) - 1. It is the middle, y = (v + 0.5) / levels,
    of its cell of [0, 1], which noise of half a level fills, and becomes logit(alpha + (1 - 2 alpha) y).

    Args:
        levels: Number of grey levels.
        alpha: Between 0 and 0.5; keeps the logits finite at black and white.
    """

    def __init__(self, levels: int, alpha: float = 0.05, **options):
        super().__init__(**options)
        self.levels = levels
        self.alpha = alpha
        # All of it is linear in x up to the logit, and the middle of one range is that of the other.
        self._slope = (1.0 - 2.0 * alpha) * (levels - 1) / (2.0 * levels)

    def transform(self, inputs, training):
        # Beyond these ends, where no dequantized data are, there is no logit.
        centred = ops.clip(self._slope * inputs, -0.5 + 1e-6, 0.5 - 1e-6)
        log_p, log_q = ops.log(0.5 + centred), ops.log(0.5 - centred)
        return log_p - log_q, sum_per_example(math.log(self._slope) - log_p - log_q)

    def invert(self, inputs):
        # sigmoid(x) - 0.5 without the cancellation.
        outputs = 0.5 * ops.tanh(0.5 * inputs) / self._slope
        log_det = -ops.softplus(inputs) - ops.softplus(-inputs) - math.log(self._slope)
        return outputs, sum_per_example(log_det)

    def get_config(self):
        return {**super().get_config(), "levels": self.levels, "alpha": self.alpha}
