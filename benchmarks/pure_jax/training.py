"""The training loop around a hand-written JAX step."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from benchmarks.pure_jax.convolutions import compiled
from gm_keras.backend.native import noise_key

IMAGES = ("image", "source", "target")

State = dict[str, Any]
Batch = dict[str, jax.Array]


class Training:
    """What a JAX user would write for one system; a subclass has the networks and the step.

    The state is one dictionary of pytrees: "parameters", "optimizer", "key", and "statistics" where a network
    has moving averages. A step takes it as a donation and gives back the next.

    Args:
        case: From `benchmarks.cases`: `model`, `optimizers`, `batch_size`, `batches` (those that one step takes),
            `fields` (prepared arrays), `levels`.
        steps_per_call: Steps in one compiled call, as many as ours takes.
    """

    def __init__(self, case: dict[str, Any], steps_per_call: int = 8):
        self.case, self.steps_per_call = case, steps_per_call
        self.steps = 0
        self.loss: Any = None
        # On the host: drawing there compiles nothing.
        self.state = self.build(np.random.default_rng(0), **case["model"])
        # With buffers of its own, as a donated state must have.
        self.state = jax.tree.map(lambda value: jax.numpy.array(value), self.state)
        self.state["key"] = noise_key(jax.numpy.zeros(2, "uint32"))
        self._steps = compiled(self._loop, donate_argnums=0)
        self._rows = case["batch_size"] * case["batches"]
        self._data = {
            field: self._loaded(field, Path(path)) for field, path in case["fields"].items()
        }
        self._generator = np.random.default_rng(0)
        self._order, self._next = np.empty(0, "int64"), 0

    def build(self, generator: np.random.Generator, **model: Any) -> State:
        """The state before the first step, without "key"; `model` is the constructor's arguments of ours."""
        raise NotImplementedError

    def step(self, state: State, batch: Batch) -> tuple[State, Any]:
        """One training step, pure: every phase, every update. Returns the state and the last loss."""
        raise NotImplementedError

    def facts(self) -> dict[str, float]:
        """Trained parameters, the steps done, and updates and examples in a step."""
        counted = jax.tree_util.tree_leaves_with_path(self.state["optimizer"])
        updates = sum(int(value) for path, value in counted if path[-1].key == "iterations")
        return {
            "parameters": self.parameters,
            "done": self.steps,
            "updates": updates / self.steps,
            "examples": self._rows,
        }

    @property
    def parameters(self) -> int:
        """The number of trained parameters."""
        return sum(value.size for value in jax.tree.leaves(self.state["parameters"]))

    def run(self, steps: int) -> None:
        """Trains; returns when the device is done."""
        done = 0
        while done < steps:
            count = min(self.steps_per_call, steps - done)
            batches = [self._batch() for _ in range(count)]
            batches += batches[-1:] * (self.steps_per_call - count)
            stacked = jax.tree.map(lambda *values: np.stack(values), *batches)
            self.state, self.loss = self._steps(self.state, stacked, count)
            done += count
        self.steps += steps
        jax.block_until_ready((self.state, self.loss))

    def _loop(self, state: State, batches: Batch, count: Any) -> tuple[State, Any]:
        def body(index: Any, carry: tuple[State, Any]) -> tuple[State, Any]:
            return self.step(carry[0], jax.tree.map(lambda values: values[index], batches))

        loss = jax.eval_shape(self.step, state, jax.tree.map(lambda values: values[0], batches))[1]
        start = (state, jax.numpy.zeros(loss.shape, loss.dtype))
        return jax.lax.fori_loop(0, count, body, start)

    def _loaded(self, field: str, path: Path) -> np.ndarray:
        # Small data are held as floats: nothing is left to do in the loop but to take rows.
        values = np.load(path)
        if field in IMAGES:
            scale = np.float32(2.0 / (self.case["levels"] - 1))
            values = values.astype("float32") * scale - np.float32(1.0)
        elif field in ("tokens", "label"):
            values = values.astype("int32")
        return values

    def _batch(self) -> dict[str, np.ndarray]:
        if "tokens" in self._data:
            return {"tokens": self._windows()}
        if self._next + self._rows > len(self._order):
            self._order = self._generator.permutation(len(next(iter(self._data.values()))))
            self._next = 0
        rows = self._order[self._next : self._next + self._rows]
        self._next += self._rows
        return {field: values[rows] for field, values in self._data.items()}

    def _windows(self) -> np.ndarray:
        tokens, window = self._data["tokens"], self.case["model"]["context"] + 1
        starts = self._generator.integers(len(tokens) - window, size=(self._rows, 1))
        return tokens[starts + np.arange(window)]
