"""Batches from a prepared data set on disk, as `fit` gets them."""

from pathlib import Path
from typing import Any

from gm_keras.data import Batches, PreparedData


def batches_of(case: dict[str, Any], data: PreparedData) -> Batches:
    """The training batches of a case, each with all that one step takes."""
    window = {"window": case["model"]["context"] + 1} if data.stream else {}
    return Batches(data, "train", case["batch_size"] * case["batches"], **window)


class Reading:
    """Reads batches and does nothing with them.

    Args:
        case: From `benchmarks.cases`.
    """

    def __init__(self, case: dict[str, Any]):
        self._batches = batches_of(case, PreparedData(Path(case["data"])))
        self._done = 0

    def run(self, batches: int) -> None:
        """Reads so many more of the endless stream."""
        for _ in range(batches):
            self._last = self._batches.read(self._done)
            self._done += 1

    def facts(self) -> dict[str, Any]:
        """The examples and bytes of a batch, and the batches read."""
        return {
            "done": self._done,
            "examples": self._batches.batch_size,
            "bytes": sum(values.nbytes for values in self._last.values()),
            "pass": self._batches.steps_per_pass,
        }
