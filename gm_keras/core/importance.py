"""Estimates of likelihoods by importance sampling, on top of a hook that computes the weights of draws."""

from collections.abc import Mapping
from typing import Any

from gm_keras.core.arguments import checked
from gm_keras.distributions.importance import log_mean_weight
from gm_keras.ops.random import RandomStream, seed_word
from gm_keras.types import PositiveInt, Seed


class ImportanceMixin:
    """`log_prob_estimate` on top of `_log_weights`."""

    @checked
    def log_prob_estimate(
        self, x: Any, num_samples: PositiveInt = 64, *, seed: Seed = 0, **conditions: Any
    ) -> tuple[Any, Any]:
        """Estimates log p(x), in nats, with draws from the model's own guess of the latents.

        Args:
            x: Examples in [-1, 1].
            num_samples: Draws of the latents for each example; on average the estimate is a lower bound, which
                more draws raise (Burda et al. 2016, arXiv 1509.00519).
            seed: Of the draws.
            **conditions: As for `elbo`.

        Returns:
            The estimate and its standard error, each `(batch,)`.
        """
        return self.run_told(self._importance, conditions, x, seed_word(seed), draws=num_samples)

    def _importance(self, x, seed, conditions, *, draws):
        log_weights = self._log_weights(x, RandomStream(seed), conditions, draws)
        return log_mean_weight(log_weights, draws)

    def _log_weights(
        self, x: Any, random: RandomStream, conditions: Mapping[str, Any], draws: int
    ) -> Any:
        """log p(x, z) - log q(z | x) of each draw: `(draws, batch)`, inside a compiled function."""
        raise NotImplementedError(f"{type(self).__name__} must define _log_weights()")
