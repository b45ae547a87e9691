"""Annealed importance sampling (Neal 2001, "Annealed importance sampling", arXiv physics/9803008).

As Salakhutdinov & Murray 2008 ("On the quantitative analysis of deep belief networks") use it for
restricted Boltzmann machines: from independent units with the base rates to the machine. Run backwards,
from samples of the machine to the base, it errs to the other side (Burda, Grosse & Salakhutdinov 2015,
arXiv 1412.8566): on average the forward estimate of log Z is too low and the reverse one too high.

Differences: the inverse temperatures are not chosen by hand but spread so that a pilot run's log-weights
vary by the same amount from one to the next; the base rates are those of short runs of the machine, not of
the data, so that a machine can be measured without data.
"""

from collections.abc import Callable

import numpy as np
from keras import ops

from gm_keras.ops.random import later_seed, seed_word
from gm_keras.progress import progress

# Temperatures that one call of a compiled function goes through.
BLOCK = 25
PILOT_BLOCKS = 40


def log_mean_exp(log_weights: np.ndarray) -> tuple[float, float]:
    """The logarithm of the mean weight, and its standard error by the delta method.

    Args:
        log_weights: Float64 `(n,)`, with n of at least 2.

    Returns:
        The logarithm, and the standard error of the mean divided by the mean.
    """
    largest = log_weights.max()
    weights = np.exp(log_weights - largest)
    mean = weights.mean()
    error = weights.std(ddof=1) / np.sqrt(len(weights)) / mean
    return float(largest + np.log(mean)), float(error)


def anneal(
    block: Callable, visible: np.ndarray, betas: np.ndarray, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Carries chains through a sequence of distributions and adds up their log-weights.

    Args:
        block: `block(visible, betas, seed) -> (visible, log_weights)`, compiled, for `BLOCK` + 1 inverse
            temperatures.
        visible: The chains: samples of the distribution at `betas[0]`.
        betas: Inverse temperatures `(k * BLOCK + 1,)`.
        seed: Of the noise.

    Returns:
        The chains at the end, and log-weights float64 `(k, chains)`, one row for each block.
    """
    rows = []
    with progress(len(betas) - 1, "annealing") as bar:
        for number, start in enumerate(range(0, len(betas) - 1, BLOCK)):
            part = betas[start : start + BLOCK + 1].astype("float32")
            visible, log_weights = block(
                visible, part, seed_word(later_seed(seed, 104_729 * number))
            )
            rows.append(log_weights)
            bar.update(BLOCK)
    # Thousands of small terms: float32 adds up those of a block only.
    log_weights = np.array([ops.convert_to_numpy(row) for row in rows], "float64")
    return ops.convert_to_numpy(visible), log_weights


def spread(pilot: np.ndarray, num_steps: int) -> np.ndarray:
    """Places inverse temperatures so that log-weights vary alike between each two of them.

    Args:
        pilot: Log-weights `(k, chains)` of a run over k equal parts of [0, 1].
        num_steps: Distributions after the first; rounded up to a multiple of `BLOCK`.

    Returns:
        Increasing inverse temperatures, from 0 to 1.
    """
    deviations = pilot.std(axis=1)
    # Some are everywhere, also where the pilot's few chains happened to agree.
    lengths = deviations + 0.2 * deviations.mean() + 1e-12
    travelled = np.concatenate([[0.0], np.cumsum(lengths)])
    steps = -(-num_steps // BLOCK) * BLOCK
    targets = np.linspace(0.0, travelled[-1], steps + 1)
    return np.interp(targets, travelled, np.linspace(0.0, 1.0, len(travelled)))


def resample(visible: np.ndarray, log_weights: np.ndarray, generator: np.random.Generator):
    """Draws chains in proportion to their weights, with as little noise as can be (systematically)."""
    weights = np.exp(log_weights - log_weights.max())
    n = len(weights)
    points = (generator.random() + np.arange(n)) / n * weights.sum()
    return visible[np.minimum(np.searchsorted(np.cumsum(weights), points), n - 1)]
