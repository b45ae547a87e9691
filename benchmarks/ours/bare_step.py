"""The compiled training step alone, fed with one batch that is there already: the most that training can eat."""

import itertools
from typing import Any

import keras

from benchmarks.ours.reading import batches_of
from benchmarks.ours.training import Training


class BareStep(Training):
    """Steps without callbacks, metrics read or batches made.

    Args:
        case: From `benchmarks.cases`.
    """

    def __init__(self, case: dict[str, Any]):
        super().__init__(case)
        # `fit` compiles the step and makes what Keras holds besides.
        super().run(1)
        self._before = self.steps
        batches = batches_of(case, self._data)
        self._batch = batches.read(0)
        self._fact = {
            "examples": batches.batch_size,
            "bytes": sum(values.nbytes for values in self._batch.values()),
        }
        self._calls = {"jax": self._run_jax, "tensorflow": self._run_tensorflow}[
            keras.backend.backend()
        ]

    def facts(self) -> dict[str, Any]:
        """The examples and bytes of the batch, trained parameters, and the steps done."""
        return {**super().facts(), **self._fact, "done": self.steps - self._before}

    def run(self, steps: int) -> None:
        """Makes so many steps."""
        # A call takes as many of the batches as it makes steps.
        self._calls(-(-steps // self.model.steps_per_execution), steps)

    def _run_jax(self, calls: int, steps: int) -> None:
        import jax

        groups = (
            self.model.trainable_variables,
            self.model.non_trainable_variables,
            self.model.optimizer.variables,
            self.model.metrics_variables,
        )
        state = tuple([variable.value for variable in group] for group in groups)
        batches = itertools.repeat(self._batch, steps)
        for _ in range(calls):
            _, state = self.model.train_function(state, batches)
        jax.block_until_ready(state)
        # The step was given the old values to overwrite.
        for group, values in zip(groups, state, strict=True):
            for variable, value in zip(group, values, strict=True):
                variable.assign(value)

    def _run_tensorflow(self, calls: int, steps: int) -> None:
        batches = itertools.repeat(self._batch, steps)
        for _ in range(calls):
            self.model.train_function(batches)
        # Reads a value, and so waits for it.
        self.model.step.numpy()
