"""A training of ours, as the pipeline runs it: `fit` over batches that are read from disk."""

from pathlib import Path
from typing import Any

import keras

from gm_keras import backend, registry
from gm_keras.data import Batches, PreparedData
from pipelines.running.build import build_optimizer, precision


class Training:
    """One system in training.

    Args:
        case: From `benchmarks.cases`.
        steps_per_execution: Steps in one compiled call; by default as many as the pipeline takes.
    """

    def __init__(self, case: dict[str, Any], steps_per_execution: int | None = None):
        backend.set_seed(0)
        arguments = dict(case["model"])
        with precision(case["precision"]):
            if "first_stage" in case:
                arguments["first_stage"] = registry.get("vqvae")(**case["first_stage"])
            self.model = registry.get(case["system"])(**arguments)
        optimizers = {
            name: build_optimizer(name, block, case["batch_size"])
            for name, block in case["optimizers"].items()
        }
        if "stage" in case:
            self.model.enter_stage(case["stage"])
        at_once = steps_per_execution or backend.steps_per_execution(self.model.count_params())
        self.model.compile(
            optimizers,
            fresh_batches=case["batches"] > 1,
            steps_per_execution=at_once,
        )
        self.model.optimizer.finalizes = False
        self._data = PreparedData(Path(case["data"]))
        self._batch_size = case["batch_size"] * case["batches"]
        self._context = case["model"].get("context")

    def facts(self) -> dict[str, float]:
        """Trained parameters, the steps and the updates in a step as model and optimizers count them, examples of a step."""
        members = self.model.optimizer.members.values()
        updates = sum(int(each.iterations.numpy()) for each in members)
        return {
            "parameters": self.parameters,
            "done": self.steps,
            "updates": updates / self.steps,
            "examples": self._batch_size,
        }

    @property
    def parameters(self) -> int:
        """The number of trained parameters."""
        return sum(int(keras.ops.size(v)) for v in self.model.trainable_variables)

    @property
    def steps(self) -> int:
        """The steps done, as the model itself counts them."""
        return int(self.model.step.numpy())

    def run(self, steps: int) -> None:
        """Trains for one epoch of so many steps."""
        window = {"window": self._context + 1} if self._data.stream else {}
        batches = Batches(
            self._data, "train", self._batch_size, seed=self.steps, steps_per_epoch=steps, **window
        )
        self.model.fit(batches, epochs=1, verbose=0)
