"""How the features of vectors are spread, and whether a network can be expected to learn from such numbers."""

import numpy as np

from gm_keras.fields.strokes import ENDED

# Beyond these, steps of the usual size are too large or too small.
LARGEST_DEVIATION = 10.0
SMALLEST_DEVIATION = 0.01
LARGEST_VALUE = 1_000.0


class Offsets:
    """How large the offsets of drawings are, one drawing after the other."""

    def __init__(self):
        self._count, self._sum, self._squares = 0, 0.0, 0.0

    def add(self, drawing: np.ndarray) -> None:
        """Looks at one drawing, `(length, 3)`."""
        offsets = drawing[drawing[:, 2] != ENDED, :2].astype("float64")
        self._count += offsets.size
        self._sum += float(offsets.sum())
        self._squares += float(np.square(offsets).sum())

    @property
    def deviation(self) -> float:
        """The standard deviation of all of them, dx and dy together; 1 if they do not differ."""
        mean = self._sum / max(1, self._count)
        variance = self._squares / max(1, self._count) - mean**2
        return float(np.float32(np.sqrt(variance))) if variance > 1e-12 else 1.0


class Spread:
    """Range and deviation of each feature, one example after the other.

    Attributes:
        low: The smallest value of each feature, float32.
        high: The largest.
    """

    def __init__(self):
        self.low = self.high = np.zeros(1, "float32")
        self._count = 0
        self._mean = self._squares = np.zeros(1)

    def add(self, features: np.ndarray) -> None:
        """Looks at one example, `(features,)`."""
        kept = np.asarray(features, "float32")
        if not self._count:
            self.low = self.high = kept
        self.low, self.high = np.minimum(self.low, kept), np.maximum(self.high, kept)
        # Welford's sums: no difference of large numbers.
        self._count += 1
        distance = kept.astype("float64") - self._mean
        self._mean = self._mean + distance / self._count
        self._squares = self._squares + distance * (kept - self._mean)

    def notes(self) -> list[str]:
        """One line of advice if the features should be standardized."""
        deviations = np.sqrt(self._squares / max(1, self._count - 1))
        varied = deviations[deviations > 0.0]
        if not len(varied):
            return []
        smallest, largest = varied.min(), varied.max()
        value = max(-float(self.low.min()), float(self.high.max()))
        if (
            largest <= LARGEST_DEVIATION
            and smallest >= SMALLEST_DEVIATION
            and value <= LARGEST_VALUE
        ):
            return []
        return [
            f"the features have standard deviations from {smallest:,.3g} to {largest:,.3g}, and values from "
            f"{self.low.min():,.3g} to {self.high.max():,.3g}: training may end in NaN or learn nothing; "
            "standardize each, (value - mean) / deviation of the training examples, in your file"
        ]
