"""Every system at the small size that its recipe names for tests, and data for it."""

from typing import Any

import keras
import numpy as np

from gm_keras import registry
from gm_keras.core import GenerativeModel
from pipelines import catalog
from pipelines.build import _optimizer

BATCH = 8


def build(name: str) -> GenerativeModel:
    """Builds and compiles a system as the `test:` block of its recipe says."""
    recipe = catalog.recipe(name)
    model = registry.get(name)(**recipe.test)
    optimizers = {
        key: _optimizer(key, dict(block)) for key, block in recipe.system["optimizers"].items()
    }
    model.compile(optimizers, fresh_batches=recipe.system["fit"].get("fresh_batches", False))
    return model


def batch_size(model: GenerativeModel) -> int:
    """The size of a batch of `BATCH` examples for each repeat of a phase."""
    repeats = max(phase.repeats for phase in model.phase_list)
    return BATCH * (repeats if model.fresh_batches else 1)


def batch(model: GenerativeModel, seed: int = 0) -> dict[str, np.ndarray]:
    """A batch of random legal data for a model."""
    rng = np.random.default_rng(seed)
    shape = (batch_size(model), *model.data_shape)
    levels = getattr(model, "levels", None)
    if len(model.data_shape) == 1:
        x = rng.normal(size=shape)
    elif levels:
        x = 2.0 * rng.integers(0, levels, size=shape) / (levels - 1) - 1.0
    else:
        x = rng.uniform(-1.0, 1.0, size=shape)
    result = {model.data_field: x.astype("float32")}
    if model.num_classes:
        result["label"] = rng.integers(0, model.num_classes, size=shape[0]).astype("int32")
    return result


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
