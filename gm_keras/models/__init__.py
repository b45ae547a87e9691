"""The models: a package for each family, in it a file for each system. A class is imported when it is asked for."""

import importlib
from typing import Any

from gm_keras import registry

__all__ = [*registry.classes()]


def __getattr__(name: str) -> Any:
    module = registry.classes().get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(module), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
