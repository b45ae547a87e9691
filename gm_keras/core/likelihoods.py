"""Likelihoods and bounds of them, on top of a hook that computes them inside a compiled function."""

from collections.abc import Mapping
from typing import Any

from gm_keras.core.arguments import checked
from gm_keras.ops.random import RandomStream, seed_word
from gm_keras.types import Seed


class DensityMixin:
    """`log_prob` on top of `_log_prob`; the model offers "density"."""

    @checked
    def log_prob(self, x: Any, *, seed: Seed = 0, **conditions: Any) -> Any:
        """The log-likelihood of examples, exact where nothing has to be drawn.

        Args:
            x: Examples as in training.
            seed: Of the noise, where the model adds some to discrete data.
            **conditions: What the model is told, such as `label=`: one value for all, or one for each example.

        Returns:
            `(batch,)`, in nats.

        Raises:
            ValueError: If an argument is out of range, or a condition is missing or none of the model's.
        """
        return self.run_told(self._log_prob_call, conditions, x, seed_word(seed))

    def _log_prob_call(self, x, seed, conditions):
        return self._log_prob(x, RandomStream(seed), conditions)

    def _log_prob(self, x: Any, random: RandomStream, conditions: Mapping[str, Any]) -> Any:
        """The log-likelihood `(batch,)`, in nats, inside a compiled function."""
        raise NotImplementedError(f"{type(self).__name__} must define _log_prob()")


class BoundMixin:
    """`elbo` on top of `_elbo`; the model offers "bound"."""

    @checked
    def elbo(self, x: Any, *, seed: Seed = 0, **conditions: Any) -> Any:
        """A lower bound of log p(x) with one draw of the latents.

        Args:
            x: Examples as in training.
            seed: Of the draw; without effect where nothing is drawn.
            **conditions: What the model is told, such as `label=`: one value for all, or one for each example.

        Returns:
            `(batch,)`, in nats.

        Raises:
            ValueError: If an argument is out of range, or a condition is missing or none of the model's.
        """
        return self.run_told(self._elbo_call, conditions, x, seed_word(seed))

    def _elbo_call(self, x, seed, conditions):
        return self._elbo(x, RandomStream(seed), conditions)

    def _elbo(self, x: Any, random: RandomStream, conditions: Mapping[str, Any]) -> Any:
        """The bound `(batch,)`, in nats, inside a compiled function."""
        raise NotImplementedError(f"{type(self).__name__} must define _elbo()")
