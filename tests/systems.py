"""Every system at the small size that its recipe names for tests, and data for it."""

import os
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from gm_keras import backend, registry
from gm_keras.core import GenerativeModel
from pipelines.running.build import build_optimizer, precision
from pipelines.shared import catalog

BATCH = 8
#: Under how many names the tests see each system: what a larger registry would cost.
COPIES = int(os.environ.get("GM_KERAS_TEST_COPIES", "1"))


def names() -> list[str]:
    """Every system; copies of it, where they were asked for, have a number behind a tilde."""
    copies = ["", *(f"~{number}" for number in range(2, COPIES + 1))]
    return [f"{name}{copy}" for name in registry.names() for copy in copies]


def original(name: str) -> str:
    """The name in the registry of a system or a copy of one."""
    return name.split("~")[0]


def forget() -> None:
    """Drops what Keras and the backend have compiled and keep, so that no process grows with the systems."""
    keras.utils.clear_session()
    if backend.name == "jax":
        sys.modules["jax"].clear_caches()


def build(name: str, precision_name: str = "float32", **changes: Any) -> GenerativeModel:
    """Builds and compiles a system as the `test:` block of its recipe says, with some changes to it.

    There `uses` names the recipe of the first stage of a two-stage system.
    """
    name = original(name)
    recipe = catalog.recipe(name)
    arguments = {**recipe.test, **changes}
    if first := arguments.pop("uses", None):
        arguments["first_stage"] = build(first)
    with precision(precision_name):
        model = registry.get(name)(**arguments)
    optimizers = {
        key: build_optimizer(key, block, BATCH)
        for key, block in recipe.system["optimizers"].items()
    }
    model.compile(optimizers, fresh_batches=recipe.system["fit"].get("fresh_batches", False))
    return model


def batch_size(model: GenerativeModel) -> int:
    """The size of a batch of `BATCH` examples for each repeat of a phase."""
    repeats = max(phase.repeats for phase in model.phase_list)
    return BATCH * (repeats if getattr(model, "fresh_batches", False) else 1)


def batch(model: GenerativeModel, seed: int = 0) -> dict[str, np.ndarray]:
    """A batch of random legal data for a model."""
    rng = np.random.default_rng(seed)
    size = batch_size(model)
    result = {
        field: _legal(model, field, (size, *shape), rng) for field, shape in model.fields.items()
    }
    if model.num_classes:
        result["label"] = rng.integers(0, model.num_classes, size=size).astype("int32")
    return result


def _legal(
    model: GenerativeModel, field: str, shape: tuple, rng: np.random.Generator
) -> np.ndarray:
    levels = getattr(model, "levels", None)
    if field == "tokens":
        return rng.integers(0, model.vocabulary_size, size=shape).astype("int32")
    if field == "label":
        return rng.integers(-1, model.classes, size=shape).astype("int32")
    if field == "features":
        return rng.normal(size=shape).astype("float32")
    if levels:
        return (2.0 * rng.integers(0, levels, size=shape) / (levels - 1) - 1.0).astype("float32")
    return rng.uniform(-1.0, 1.0, size=shape).astype("float32")


def made(model: GenerativeModel, seed: int) -> np.ndarray:
    """Four samples, or translations of four sources."""
    if "translator" in model.capabilities:
        return keras.ops.convert_to_numpy(model.translate(batch(model)["source"][:4], seed=seed))
    return model.sample(4, seed=seed)


def arrays(variables: Any) -> dict[str, np.ndarray]:
    """Values by path and position."""
    return {
        f"{index}:{variable.path}": keras.ops.convert_to_numpy(variable).copy()
        for index, variable in enumerate(variables)
    }


def state(model: GenerativeModel) -> dict[str, np.ndarray]:
    """Everything that a training changes: weights, optimizers, seeds."""
    return {
        **arrays(model.variables),
        **{f"optimizer:{key}": value for key, value in arrays(model.optimizer.variables).items()},
    }


def at_once(function: Callable, state: Any = ()) -> Callable:
    """The function of tensors, compiled on JAX: there one operation after the other takes longer.

    Args:
        function: Reads `state`.
        state: Variables.
    """
    return backend.compile_function(function, list(state)) if backend.name == "jax" else function
