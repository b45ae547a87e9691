"""Samples of ours, as a user draws them: `sample`, which compiles once and gives arrays on the host."""

from typing import Any

import keras

from gm_keras import backend, registry


class Sampling:
    """One system with random weights.

    Args:
        case: From `benchmarks.cases`.
        batch: Samples in one call.
        options: Of the model's `sample`.
    """

    def __init__(self, case: dict[str, Any], batch: int, options: dict[str, Any] | None = None):
        backend.set_seed(0)
        self.model = registry.get(case["system"])(**case["model"])
        self.batch, self.options = batch, options or {}
        self._drawn, self._example = 0, ""

    def facts(self) -> dict[str, Any]:
        """Trained parameters of what is run, the calls done, and the shape of one sample."""
        return {
            "parameters": self.parameters,
            "done": self._drawn / self.batch,
            "example": self._example,
        }

    @property
    def parameters(self) -> int:
        """The number of trained parameters of the networks that draw samples."""
        networks = self.model.inference_networks().values()
        unique = {id(v): v for network in networks for v in network.trainable_variables}
        return sum(int(keras.ops.size(v)) for v in unique.values())

    def run(self, calls: int) -> None:
        """Draws so many batches, each with noise of its own."""
        for _ in range(calls):
            samples = self.model.sample(self.batch, seed=self._drawn, **self.options)
            self._drawn += len(samples)
            self._example = "x".join(map(str, samples.shape[1:]))
