"""Columns brought to a common scale."""

from dataclasses import dataclass

import numpy as np

from gm_keras.metrics.moments import mean_and_variance


@dataclass(frozen=True)
class Standardization:
    """Shifts and scales the columns of `(n, d)`.

    Attributes:
        mean: Of each column, `(d,)`.
        deviation: Of each column, `(d,)`; 1 for a column that is constant.
    """

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> "Standardization":
        """The standardization that gives the columns of `values` mean 0 and deviation 1."""
        mean, variance = mean_and_variance(values, "moments of real")
        deviation = np.sqrt(variance)
        # The mean of equal values is off by rounding, and so is their deviation.
        constant = deviation <= 1e-12 * np.abs(mean)
        return cls(mean, np.where(constant, 1.0, deviation))

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """Returns the rows in units of the deviations."""
        return (values - self.mean) / self.deviation
