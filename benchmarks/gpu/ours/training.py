"""A training of ours in mixed bfloat16: `fit` over batches that are read from disk, as many steps a call as the pipeline takes."""

from pathlib import Path
from typing import Any

import keras

from benchmarks.gpu.ours import device
from gm_keras import GenerativeModel, backend, registry
from gm_keras.data import Batches, PreparedData


def build(case: dict[str, Any]) -> GenerativeModel:
    """The model of a case; weights are float32, layers compute in bfloat16."""
    backend.set_seed(0)
    keras.config.set_dtype_policy("mixed_bfloat16")
    return registry.get(case["system"])(**case["model"])


def optimizer(block: dict[str, Any]) -> keras.optimizers.Optimizer:
    """The optimizer of a block, `adam` or `adamw`."""
    options = dict(block)
    kind = {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}[options.pop("class")]
    rate = options["learning_rate"]
    if isinstance(rate, dict):
        rate = {key: value for key, value in rate.items() if key != "schedule"}
        options["learning_rate"] = keras.optimizers.schedules.CosineDecay(**rate)
    return kind(**options)


class Training:
    """One system in training.

    Args:
        case: From `benchmarks.gpu.cases`.
    """

    def __init__(self, case: dict[str, Any]):
        self.model = build(case)
        optimizers = {name: optimizer(block) for name, block in case["optimizers"].items()}
        at_once = backend.steps_per_execution(self.model.count_params())
        self.model.compile(optimizers, steps_per_execution=at_once)
        self.model.optimizer.finalizes = False
        self._data, self._batch_size = PreparedData(Path(case["data"])), case["batch_size"]
        self._window = {"window": case["model"]["context"] + 1} if self._data.stream else {}

    def facts(self) -> dict[str, Any]:
        """Trained parameters, the steps as the model itself counts them, and the device's memory."""
        return {
            "parameters": device.parameters(self.model),
            "done": int(self.model.step.numpy()),
            **device.facts(),
        }

    def run(self, steps: int) -> None:
        """Trains for one epoch of so many steps."""
        batches = Batches(
            self._data,
            "train",
            self._batch_size,
            seed=int(self.model.step.numpy()),
            steps_per_epoch=steps,
            **self._window,
        )
        self.model.fit(batches, epochs=1, verbose=0)
        # Reading a value waits for the device.
        self.model.step.numpy()
