"""Our scores of two sets of features, as a user calls them."""

from typing import Any

import numpy as np

from gm_keras import metrics


class Score:
    """Computes one score again and again, standard errors included.

    Args:
        score: The name of a function of `gm_keras.metrics`.
        real: The `.npy` file of real features.
        generated: The file of generated ones.
    """

    def __init__(self, score: str, real: str, generated: str):
        self._score = getattr(metrics, score)
        self._features = np.load(real), np.load(generated)
        self._done = 0

    def run(self, times: int) -> None:
        """Computes the score so many times."""
        for _ in range(times):
            self._value = self._score(*self._features)
            self._done += 1

    def facts(self) -> dict[str, Any]:
        """The values, and how often they were computed."""
        value = self._value if isinstance(self._value, tuple) else (self._value,)
        return {"done": self._done, "values": [float(each) for each in value]}
