"""What decoders of latents share: the likelihood p(x | z) that a network's outputs stand for."""

import math
from typing import Literal

import keras
from keras import ops

from gm_keras.core.levels import LevelsMixin
from gm_keras.distributions import bernoulli, normal


class LikelihoodMixin(LevelsMixin):
    """A Bernoulli or a normal distribution for each value of an example, independent given the latents.

    The decoder gives one number for each value, the log-odds, or two: mean and logarithm of the variance.
    """

    likelihood: Literal["bernoulli", "gaussian"]

    @property
    def continuous(self) -> bool:
        return self.likelihood == "gaussian"

    def _likelihood_parameters(self, outputs):
        """Log-odds, or means and log-variances, of a decoder's outputs: each `(batch, *shape of one example)`."""
        parts = 2 if self.continuous else 1
        parameters = ops.split(ops.cast(outputs, "float32"), parts, axis=-1)
        return [ops.reshape(value, (-1, *self.data_shape)) for value in parameters]

    def _log_likelihood_of(self, x, parameters):
        """log p(x | z): `(batch,)`, in nats; `x` as `_as_modelled` has it."""
        if self.continuous:
            values = normal.log_prob(x, *parameters)
            if self.levels:  # the density times the width of the cell that the noise fills
                values = values + math.log(self._level_width)
        else:
            values = bernoulli.log_prob(0.5 * (x + 1.0), *parameters)
        nats = ops.sum(values, axis=tuple(range(1, len(values.shape))))
        return nats + self._log_cells if self._fills_cells else nats

    def _mean_of(self, parameters):
        """The mean of p(x | z), in the range of the data."""
        return parameters[0] if self.continuous else 2.0 * ops.sigmoid(parameters[0]) - 1.0

    def _draw_of(self, parameters, seed):
        """A draw from p(x | z), in the range of the data."""
        shape = ops.shape(parameters[0])
        if not self.continuous:
            uniform = keras.random.uniform(shape, seed=seed)
            return 2.0 * ops.cast(uniform < ops.sigmoid(parameters[0]), "float32") - 1.0
        mean, log_variance = parameters
        return mean + ops.exp(0.5 * log_variance) * keras.random.normal(shape, seed=seed)
