"""The variational bound of a diffusion model (Ho et al. 2020, equation 5)."""

import keras
import numpy as np
from keras import ops

from gm_keras.core.arguments import checked
from gm_keras.distributions import discretized_normal, normal
from gm_keras.ops.random import RandomStream, seed_word
from gm_keras.types import PositiveInt, Seed

# The bound has one term for each time; by default it evaluates this many at the most.
DEFAULT_TERMS = 128


class BoundMixin:
    """`elbo` of a model with a `schedule`, a `reverse_variance`, and methods `_diffuse`, `_noise`, `_clean`."""

    @checked
    def elbo(self, x, *, seed: Seed = 0, num_terms: PositiveInt | None = None, **conditions):
        """The variational bound on log p(x), or log p(x | label), in nats: `(batch,)`.

        It is L_T + the sum of L_{t-1} + L_0 of the paper's equation 5 with the sign turned, each term with one
        draw of the noise. Of the T - 1 terms between the ends `num_terms` are evaluated: when that is fewer,
        at random times, one in each of so many equal parts of 2 to T, which keeps the sum unbiased.

        Args:
            x: Examples in the range of the training data.
            seed: Of the noise.
            num_terms: From 1 to T - 1; by default all of them, but at most 128.
            **conditions: The label; left out, the bound is that of log p(x).

        Raises:
            ValueError: If `num_terms` is out of range.
        """
        between = self.timesteps - 1
        terms = min(between, DEFAULT_TERMS) if num_terms is None else num_terms
        if num_terms is not None and not 1 <= terms <= between:
            raise ValueError(f"num_terms must be from 1 to timesteps - 1 = {between}, not {terms}")
        return self.run_told(self._bound, conditions, x, seed_word(seed), terms=terms)

    def _bound(self, x, seed, conditions, *, terms):
        random = RandomStream(seed)
        x = ops.cast(x, "float32")
        size, between = ops.shape(x)[0], self.timesteps - 1
        weight = between / max(terms, 1)

        def time_of(index):
            if terms == between:
                return ops.full((size,), 2, dtype="int32") + index
            uniform = keras.random.uniform((size,), seed=random.at(2 * index + 1))
            place = (ops.cast(index, "float32") + uniform) * weight
            return 2 + ops.minimum(ops.cast(place, "int32"), between - 1)

        def add_term(index, total):
            time = time_of(index)
            noise = keras.random.normal(ops.shape(x), seed=random.at(2 * index))
            return total + self._divergence(x, time, noise, conditions) * weight

        divergence = ops.fori_loop(0, terms, add_term, self._prior_divergence(x))
        noise = keras.random.normal(ops.shape(x), seed=random.next())
        return self._reconstruction(x, noise, conditions) - divergence

    def _sum(self, values):
        return ops.sum(values, axis=tuple(range(1, len(values.shape))))

    def _prior_divergence(self, x):
        """L_T = KL(q(x_T | x_0) || N(0, 1))."""
        alpha_bar = self.schedule.alpha_bar[-1]
        constant = -alpha_bar - np.log1p(-alpha_bar)
        return self._sum(0.5 * (float(alpha_bar) * ops.square(x) + float(constant)))

    def _divergence(self, x, time, noise, conditions):
        """L_{t-1} = KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) at times from 2, both normal."""
        clean, _, variance = self.schedule.posterior()
        ratio = np.ones_like(variance)
        ratio[2:] = variance[2:] / self.reverse_variance[2:]
        weight = np.zeros_like(variance)
        weight[1:] = clean[1:] ** 2 / self.reverse_variance[1:]
        noisy = self._diffuse(x, time, noise)
        expected = self._clean(noisy, time, self._noise(noisy, time, conditions), self._clips)
        constant = self._at(ratio - 1.0 - np.log(ratio), time)
        return self._sum(0.5 * (self._at(weight, time) * ops.square(x - expected) + constant))

    def _reconstruction(self, x, noise, conditions):
        """-L_0 = log p(x_0 | x_1)."""
        time = ops.ones((ops.shape(x)[0],), dtype="int32")
        noisy = self._diffuse(x, time, noise)
        mean = self._clean(noisy, time, self._noise(noisy, time, conditions), self._clips)
        variance = float(self.reverse_variance[1])
        if self.levels:
            return self._sum(discretized_normal.log_prob(x, mean, variance**0.5, self.levels))
        return self._sum(normal.log_prob(x, mean, float(np.log(variance))))
