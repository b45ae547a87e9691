"""Samplers as tables: every step is x <- clean * x0 + noisy * x + noise * z.

x0 is the clean example that the network expects, z fresh standard normal noise. Which sampler it is lies in the
coefficients alone, so one loop serves them all. Pure functions on NumPy, in float64.
"""

from dataclasses import dataclass

import numpy as np

from gm_keras.models.diffusion.schedules import Schedule

SAMPLERS = ("ddim", "ancestral")


@dataclass(frozen=True)
class Steps:
    """The steps of a sampler in the order in which they are taken; each array is `(steps,)`.

    Attributes:
        times: The time at which the network is asked, descending from T.
        clean: The coefficient of the expected clean example.
        noisy: The coefficient of the present example.
        noise: The standard deviation of the fresh noise; 0 in the last step.
    """

    times: np.ndarray
    clean: np.ndarray
    noisy: np.ndarray
    noise: np.ndarray


def spaced_times(timesteps: int, steps: int) -> np.ndarray:
    """Returns `steps` times from 1 to `timesteps`, evenly spaced, ascending, the last one included.

    Raises:
        ValueError: If there are not so many times, or `steps` is less than 1.
    """
    if not 1 <= steps <= timesteps:
        raise ValueError(
            f"steps must be from 1 to {timesteps} (the model's timesteps), not {steps}"
        )
    return -(-timesteps * np.arange(1, steps + 1) // steps)


def ancestral(schedule: Schedule, steps: int, variance: str) -> Steps:
    """The sampler of Ho et al. 2020, algorithm 2; with fewer steps as in Nichol & Dhariwal 2021, section 4.

    Args:
        schedule: Of the training.
        steps: How many of its times are visited.
        variance: "beta" or "beta_tilde", as in `Schedule.reverse_variance`.
    """
    times = spaced_times(schedule.timesteps, steps)
    visited = schedule.respaced(times)
    clean, noisy, _ = visited.posterior()
    noise = np.sqrt(visited.reverse_variance(variance))
    noise[1] = 0.0
    return Steps(times[::-1], *(values[:0:-1] for values in (clean, noisy, noise)))


def ddim(schedule: Schedule, steps: int, eta: float) -> Steps:
    """The sampler of Song et al. 2021 (arXiv 2010.02502), equation 12.

    Args:
        schedule: Of the training.
        steps: How many of its times are visited.
        eta: 0 is deterministic given the first noise; 1 is the ancestral sampler with `beta_tilde`.
    """
    if not 0.0 <= eta <= 1.0:
        raise ValueError(f"eta must be from 0 to 1, not {eta}")
    times = spaced_times(schedule.timesteps, steps)
    visited = schedule.respaced(times)
    before, now = visited.alpha_bar[:-1], visited.alpha_bar[1:]
    noise = eta * np.sqrt(visited.posterior()[2][1:])
    # sqrt(before) x0 + direction * epsilon, with epsilon = (x - sqrt(now) x0) / sqrt(1 - now)
    direction = np.sqrt(np.maximum(1.0 - before - noise**2, 0.0)) / np.sqrt(1.0 - now)
    clean = np.sqrt(before) - direction * np.sqrt(now)
    return Steps(times[::-1], clean[::-1], direction[::-1], noise[::-1])
