"""Sampling from a model of ours in mixed bfloat16; the weights are the first ones."""

from typing import Any

from benchmarks.gpu.ours import device
from benchmarks.gpu.ours.training import build


class Sampling:
    """One unit is a batch of samples, on the host.

    Args:
        case: From `benchmarks.gpu.cases`; `options` are those of `sample`.
    """

    def __init__(self, case: dict[str, Any]):
        self.model, self._n, self._options = build(case), case["batch_size"], case["options"]
        self._done = 0

    def facts(self) -> dict[str, Any]:
        """Parameters, batches drawn, and the device's memory."""
        return {
            "parameters": device.parameters(self.model),
            "done": self._done,
            **device.facts(),
        }

    def run(self, batches: int) -> None:
        """Draws so many batches."""
        for _ in range(batches):
            self.model.sample(self._n, seed=self._done, **self._options)
            self._done += 1
