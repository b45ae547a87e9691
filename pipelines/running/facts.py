"""What a run of MLflow says of a training besides its curves. Imports Keras, for the backend."""

import math
from pathlib import Path
from typing import Any

import keras

from gm_keras import backend
from pipelines.settings import Settings
from pipelines.shared import catalog


def run_facts(key: str, settings: Settings, root: Path) -> dict[str, Any]:
    """The parameters, tags and data of a system's run, as `pipelines.tracking` takes them."""
    block = settings.system(key).model_dump(by_alias=True)
    tags = {
        "system": block["class"],
        "family": catalog.recipe(block["class"]).family,
        "data": block["data"],
        "backend": backend.name,
        "backend.version": backend.version(),
        "keras.version": keras.__version__,
        "device": backend.device_name(),
        "seed": str(settings.training_seed(key)),
    }
    return {
        "parameters": {**block, "seed": settings.training_seed(key)},
        "tags": tags,
        "data": root / "data" / block["data"],
    }


def parameters(model: Any) -> int:
    """The numbers of a model that its weights file holds: all but whole ones, which are steps and seeds."""
    return sum(math.prod(each.shape) for each in model.weights if "float" in str(each.dtype))
