"""The code that shapes what a stage makes of a system: a change in it, and nothing else, makes the stage stale.

It is what the stage's module and the classes of the system import, as `pipelines.shared.imports` finds it.
"""

import hashlib
import json

from gm_keras import registry
from pipelines.settings import NOTHING, Settings
from pipelines.shared import imports

#: For each stage of a system, the modules that it begins with.
STAGES = {
    "train": ("pipelines.train",),
    "evaluate": ("pipelines.evaluate",),
    # The sampler is copied beside the model, not imported.
    "export": ("pipelines.export", "pipelines.exports.sampler_model"),
}
#: What shapes no weights, scores or networks. Names and places: a class that is used is found through its system.
NAMES = ("gm_keras", "gm_keras.models", "gm_keras.registry", "gm_keras.saved_names", "pipelines")
#: How a stage begins, what it prints and refuses, where it writes to, what it tells MLflow. Of the settings, DVC
#: watches the values.
AROUND = (
    "gm_keras.default_backend",
    "gm_keras.extras",
    "pipelines.exports.safe_load",
    "pipelines.running.code",
    "pipelines.running.compiled",
    "pipelines.running.facts",
    "pipelines.running.scale",
    "pipelines.running.stages",
    "pipelines.settings",
    "pipelines.shared",
    "pipelines.tracking",
)


def modules(stage: str, key: str, settings: Settings) -> dict[str, str]:
    """The modules that shape what a stage makes of a system, each with a checksum of what it says.

    Args:
        stage: One of `STAGES`.
        key: Of the system in `params.yaml`.
        settings: Of the project.
    """
    found = imports.reached([*STAGES[stage], *_classes(key, settings)], _apart)
    return {module: imports.meaning(module) for module in found}


def digest(stage: str, key: str, settings: Settings) -> str:
    """One checksum of `modules`: 16 hexadecimal digits."""
    text = json.dumps(modules(stage, key, settings), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _classes(key: str, settings: Settings) -> list[str]:
    """The modules of a system's class, and of those that it builds on."""
    chain = []
    while key != NOTHING:
        system = settings.system(key)
        chain.append(registry.module_of(system.class_name))
        key = system.uses
    return chain


def _apart(module: str) -> bool:
    return module in NAMES or any(f"{module}.".startswith(f"{each}.") for each in AROUND)
