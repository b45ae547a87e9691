"""Every state of a layer of binary units, and its probability."""

import numpy as np
from keras import ops


def all_states(width: int) -> np.ndarray:
    """Every state of a layer: float32 `(2 ** width, width)`."""
    return (np.arange(2**width)[:, None] >> np.arange(width) & 1).astype("float32")


def log_table(values, log_odds):
    """log p of each of `(n, units)` values under each of `(m, units)` log-odds: `(n, m)`."""
    agreement = ops.matmul(values, ops.transpose(log_odds))
    return agreement - ops.sum(ops.softplus(log_odds), axis=-1)
