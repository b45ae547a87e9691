"""Noise schedules: how much of an example is left at each time. Pure functions on NumPy, in float64.

Time 0 is the data, time T pure noise: q(x_t | x_0) = N(sqrt(alpha_bar[t]) x_0, 1 - alpha_bar[t]). Every array
has T + 1 entries, so that `array[t]` is the paper's symbol with index t.
"""

from dataclasses import dataclass

import numpy as np

# The variance that one step may add at most: with 1 nothing of the example would be left.
LARGEST_BETA = 0.999


@dataclass(frozen=True)
class Schedule:
    """A forward process; see the module's text.

    Attributes:
        alpha_bar: `(T + 1,)`, from 1 down: the share of the data in the variance at each time.
    """

    alpha_bar: np.ndarray

    @property
    def timesteps(self) -> int:
        """T, the number of steps."""
        return len(self.alpha_bar) - 1

    @property
    def alpha(self) -> np.ndarray:
        """q(x_t | x_{t-1}) = N(sqrt(alpha) x_{t-1}, 1 - alpha); 1 at time 0."""
        return np.concatenate([[1.0], self.alpha_bar[1:] / self.alpha_bar[:-1]])

    @property
    def beta(self) -> np.ndarray:
        """The variance that each step adds; 0 at time 0."""
        return 1.0 - self.alpha

    def posterior(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """q(x_{t-1} | x_t, x_0) = N(a x_0 + b x_t, v): a, b, v, each `(T + 1,)` (Ho et al., equation 7).

        At time 0, where there is no such thing, a = 1, b = v = 0.
        """
        before, now = self.alpha_bar[:-1], self.alpha_bar[1:]
        alpha, beta = self.alpha[1:], self.beta[1:]
        clean = np.sqrt(before) * beta / (1.0 - now)
        noisy = np.sqrt(alpha) * (1.0 - before) / (1.0 - now)
        variance = beta * (1.0 - before) / (1.0 - now)
        return tuple(
            np.concatenate([[first], rest])
            for first, rest in ((1.0, clean), (0.0, noisy), (0.0, variance))
        )

    def reverse_variance(self, kind: str) -> np.ndarray:
        """The fixed variance of p(x_{t-1} | x_t), `(T + 1,)`, 0 at time 0.

        Args:
            kind: "beta", the best for data that are standard normal, or "beta_tilde", the posterior's, the best
                for data that are one point. The latter is 0 at time 1, where, as in the authors' code, the
                value of time 2 stands in (that of `beta` if there is no time 2).
        """
        if kind == "beta":
            return self.beta
        if kind != "beta_tilde":
            raise ValueError(f'variance must be "beta" or "beta_tilde", not {kind!r}')
        variance = self.posterior()[2].copy()
        variance[1] = variance[2] if self.timesteps > 1 else self.beta[1]
        return variance

    def respaced(self, times: np.ndarray) -> "Schedule":
        """The schedule of the same process seen at some times only (ascending, without 0)."""
        return Schedule(np.concatenate([[1.0], self.alpha_bar[times]]))


def _from_beta(beta: np.ndarray) -> Schedule:
    kept = 1.0 - np.minimum(beta, LARGEST_BETA)
    return Schedule(np.concatenate([[1.0], np.cumprod(kept)]))


def linear(timesteps: int) -> Schedule:
    """Ho et al. 2020: beta from 1e-4 to 0.02 in 1000 steps; for T steps both are multiplied by 1000 / T."""
    return _from_beta(np.linspace(1e-4, 0.02, timesteps) * (1000.0 / timesteps))


def cosine(timesteps: int) -> Schedule:
    """Nichol & Dhariwal 2021 (arXiv 2102.09672): alpha_bar falls as a squared cosine, with s = 0.008."""
    angle = (np.arange(timesteps + 1) / timesteps + 0.008) / 1.008 * (np.pi / 2.0)
    squared = np.cos(angle) ** 2
    return _from_beta(1.0 - squared[1:] / squared[:-1])


SCHEDULES = {"linear": linear, "cosine": cosine}
