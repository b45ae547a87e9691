"""The partition function of a restricted Boltzmann machine by annealed importance sampling."""

import math
from typing import Literal

import numpy as np
from keras import ops

from gm_keras.core.arguments import checked
from gm_keras.models.boltzmann import annealing
from gm_keras.models.boltzmann.bipartite import Enumeration
from gm_keras.ops.random import RandomStream, seed_word
from gm_keras.types import AtLeastTwo, PositiveInt, Seed

# Gibbs steps of the short runs whose averages are the base rates.
BASE_STEPS = 200
# What float32 does to all chains alike, as a part of the estimate: their spread does not show it.
ROUNDING = 1e-5


class PartitionMixin:
    """Likelihoods for a model with a `machine`, a `Bipartite`, and a method `_values` that gives it data."""

    def free_energy(self, x):
        """The free energy `(batch,)`, in nats: log p(x) is minus this minus `log_partition()`.

        Args:
            x: Examples as in training; grey values of binary units are taken as they are.
        """
        return self.run_compiled(self._free_energy, x)

    def _free_energy(self, x):
        return self.free_energy_network(x)

    def exact_log_partition(self) -> float:
        """The logarithm of the partition function, in nats, by enumeration of at most 20 hidden units."""
        return Enumeration(self.machine).log_partition()

    @checked
    def log_partition(
        self,
        num_chains: AtLeastTwo = 128,
        num_steps: PositiveInt = 5000,
        seed: Seed = 0,
        direction: Literal["forward", "reverse"] = "forward",
    ):
        """The logarithm of the partition function by annealed importance sampling.

        Args:
            num_chains: Independent runs, at least 2.
            num_steps: Intermediate distributions of each. When the standard error is not far below 1,
                more are needed; it is then too small itself.
            seed: Of the noise.
            direction: "forward", whose mean is a lower bound, or "reverse", from samples of the machine
                to the base, whose mean is an upper bound if those samples are exact. They are with up
                to 20 hidden units; with more they are those of a forward run, drawn by their weights.

        Returns:
            The estimate and its standard error, in nats.
        """
        estimate, error = getattr(_Estimator(self, num_chains, seed), direction)(num_steps)
        return estimate, math.hypot(error, ROUNDING * estimate)

    @checked
    def log_prob_estimate(
        self,
        x,
        num_samples: AtLeastTwo = 128,
        *,
        seed: Seed = 0,
        log_partition=None,
        **conditions,
    ):
        """Estimates log p(x), in nats, with the partition function of `log_partition`.

        Args:
            x: Examples as in training.
            num_samples: Chains of the annealed importance sampling.
            seed: Of the noise; the same partition function serves every example.
            log_partition: What `log_partition()` returned, where it was estimated before.
            **conditions: None: this model is told nothing.

        Returns:
            The estimate and the standard error of the partition function, each `(batch,)`.
        """
        if log_partition is None:
            log_partition = self.log_partition(num_chains=num_samples, seed=seed)
        log_partition, error = log_partition
        log_weights = self.run_told(self._log_values, conditions, x, seed_word(seed))
        estimate = ops.convert_to_numpy(log_weights) - log_partition
        return estimate.astype("float32"), np.full(len(estimate), error, "float32")

    def _log_values(self, x, seed, conditions):
        values = self._values(x, RandomStream(seed).next())
        log_values = -self.machine.free_energy(values)
        if self.gaussian and self.levels:  # the density times the volume of a grey level's cell
            log_values = log_values + self.size * math.log(self._level_width)
        return log_values


class _Estimator:
    def __init__(self, model, num_chains, seed):
        self.model = model
        self.machine = model.machine
        self.num_chains = num_chains
        self.generator = np.random.default_rng([seed, num_chains])
        means = model.run_compiled(_short_runs, self._seed(), n=num_chains, machine=self.machine)
        self.base = self._base(ops.convert_to_numpy(means).astype("float64"))
        equal = np.linspace(0.0, 1.0, annealing.PILOT_BLOCKS * annealing.BLOCK + 1)
        self.pilot = self._run(self._base_draws(), equal)[1]

    def forward(self, num_steps):
        _, log_weights = self._forward(num_steps)
        estimate, error = annealing.log_mean_exp(log_weights)
        return self._log_base_partition() + estimate, error

    def reverse(self, num_steps):
        if self.machine.hidden_units <= Enumeration.LIMIT:
            hidden = Enumeration(self.machine).draw(self.num_chains, self.generator)
            chains = self.model.run_compiled(
                _visible_draws, hidden, self._seed(), machine=self.machine
            )
        else:
            chains = annealing.resample(*self._forward(num_steps), self.generator)
        betas = annealing.spread(self.pilot, num_steps)
        _, log_weights = self._run(chains, betas[::-1])
        estimate, error = annealing.log_mean_exp(log_weights.sum(axis=0))
        return self._log_base_partition() - estimate, error

    def _forward(self, num_steps):
        betas = annealing.spread(self.pilot, num_steps)
        chains, log_weights = self._run(self._base_draws(), betas)
        return chains, log_weights.sum(axis=0)

    def _run(self, chains, betas):
        def block(chains, betas, seed):
            return self.model.run_compiled(
                _anneal, chains, betas, self.base, seed, machine=self.machine
            )

        return annealing.anneal(block, chains, betas, int(self._seed()))

    def _seed(self):
        return np.int32(self.generator.integers(2**31))

    def _base(self, means):
        """Base rates of binary units as log-odds `(1, units)`, or means and log-variances `(2, units)`."""
        if self.machine.gaussian:
            own = np.exp(ops.convert_to_numpy(self.machine.log_variance))
            rows = [means.mean(axis=0), np.log(own + means.var(axis=0))]
        else:
            # One draw of each value more: no unit is certain.
            on = (means.sum(axis=0) + 1.0) / (len(means) + 2.0)
            rows = [np.log(on) - np.log1p(-on)]
        return np.array(rows, "float32")

    def _base_draws(self):
        shape = (self.num_chains, self.base.shape[1])
        if self.machine.gaussian:
            noise = self.generator.normal(size=shape)
            draws = self.base[0] + np.exp(0.5 * self.base[1]) * noise
        else:
            draws = self.generator.random(shape) < 1.0 / (1.0 + np.exp(-self.base[0]))
        return draws.astype("float32")

    def _log_base_partition(self):
        base = self.base.astype("float64")
        if self.machine.gaussian:
            visible = 0.5 * (base[1] + math.log(2.0 * math.pi))
        else:
            visible = np.logaddexp(0.0, base[0])
        return float(visible.sum() + self.machine.hidden_units * math.log(2.0))


def _short_runs(seed, *, n, machine):
    random = RandomStream(seed)
    chains = machine.gibbs_chains(n, random, BASE_STEPS)
    return machine(machine(chains), output="visible")


def _visible_draws(hidden, seed, *, machine):
    return machine.draw_visible(hidden, RandomStream(seed).next())


def _anneal(chains, betas, base, seed, *, machine):
    """Weights and moves chains from each inverse temperature to the next."""
    random = RandomStream(seed)

    def step(index, carry):
        chains, log_weights = carry
        beta, new_beta = ops.take(betas, index), ops.take(betas, index + 1)
        log_weights = log_weights + machine.log_weight(chains, base, beta, new_beta)
        seeds = (random.at(2 * index), random.at(2 * index + 1))
        return machine.gibbs_step(chains, seeds, new_beta, base), log_weights

    start = (chains, ops.zeros(ops.shape(chains)[:1]))
    return ops.fori_loop(0, betas.shape[0] - 1, step, start)
