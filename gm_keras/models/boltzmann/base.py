"""Layers of stochastic binary units: their states, draws of them, and their probabilities."""

import keras
import numpy as np
from keras import ops


def draw_bits(log_odds, seed):
    """Draws 0 or 1 for each element of `log_odds`, of the same shape, float32."""
    uniform = keras.random.uniform(ops.shape(log_odds), seed=seed)
    return ops.cast(uniform < ops.sigmoid(log_odds), "float32")


def bits_of(states: np.ndarray, width: int) -> np.ndarray:
    """The values `(n, width)`, integers, of states `(n,)`: state k has the bits of the number k, lowest first."""
    return states[:, None] >> np.arange(width) & 1


def all_states(width: int) -> np.ndarray:
    """Every state of a layer: float32 `(2 ** width, width)`."""
    return bits_of(np.arange(2**width), width).astype("float32")


def log_table(values, log_odds):
    """log p of each of `(n, units)` values under each of `(m, units)` log-odds: `(n, m)`."""
    agreement = ops.matmul(values, ops.transpose(log_odds))
    return agreement - ops.sum(ops.softplus(log_odds), axis=-1)
