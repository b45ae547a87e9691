"""gm_keras: deep generative models as Keras 3 classes that do not know their backend.

`gm_keras.VAE` imports the class of that name, and Keras with it, when it is asked for; importing the package imports
neither. Keras knows the name of every class all the same: `keras.saving.load_model("model.keras")` needs no more than
`import gm_keras`. Where Keras would take a backend that is not installed, it then takes one that is.
"""

import importlib
from typing import Any

from gm_keras import default_backend, registry, saved_names

__version__ = "0.1.0"

_CORE = ("GenerativeModel", "OptimizerGroup", "Phase")
_PACKAGES = ("backend", "callbacks", "core", "data", "exploration", "metrics", "models")

__all__ = [*_CORE, *_PACKAGES, "registry", *registry.classes()]

default_backend.register()
saved_names.register()


def __getattr__(name: str) -> Any:
    if name in _PACKAGES:
        return importlib.import_module(f"{__name__}.{name}")
    module = f"{__name__}.core" if name in _CORE else registry.classes().get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
