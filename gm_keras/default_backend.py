"""Which backend Keras takes: one that is installed.

Where nobody names one Keras takes TensorFlow, installed or not. So just before Keras is imported, whoever does it, a look
at what there is names another in its place; a backend that somebody named and that is missing is one line.
"""

import json
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

from gm_keras import extras

VARIABLE = "KERAS_BACKEND"
#: What Keras takes by itself, and writes into its file.
KERAS_OWN = "tensorflow"


def check(backend: str, named_by: str) -> None:
    """Does nothing where a backend is installed, or is none of ours.

    Args:
        backend: Its name.
        named_by: Where the user named it, for the message.

    Raises:
        MissingExtraError: It is not installed.
    """
    if backend in extras.BACKENDS and not extras.installed(backend):
        raise extras.MissingExtraError(
            f"{named_by} is {backend}, which is not installed: {extras.command(backend)}"
        )


def choose() -> None:
    """Names an installed backend in the environment where Keras would take one that is not.

    Raises:
        MissingExtraError: The user named one that is not installed, or none is.
    """
    if VARIABLE in os.environ:
        check(os.environ[VARIABLE], VARIABLE)
        return
    path = _file()
    backend = _named_in(path)
    if backend != KERAS_OWN:
        check(backend, f"backend in {path}")
        return
    if extras.installed(KERAS_OWN):
        return
    found = next(filter(extras.installed, extras.BACKENDS), None)
    if found is None:
        raise extras.MissingExtraError(
            f"Keras needs a backend, and none is installed: {extras.command(extras.BACKENDS[0])}"
        )
    os.environ[VARIABLE] = found


def _file() -> Path:
    folder = os.environ.get("KERAS_HOME")
    return (Path(folder) if folder else Path("~/.keras").expanduser()) / "keras.json"


def _named_in(path: Path) -> str:
    try:
        return json.loads(path.read_text(encoding="utf-8")).get("backend", KERAS_OWN)
    except (OSError, ValueError, AttributeError):  # Keras goes on without it, too
        return KERAS_OWN


class _BeforeKeras(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Finds nothing, and is asked before Keras is."""
        if fullname == "keras":
            choose()
        return None


def register() -> None:
    """Has `choose` called when Keras is about to be imported."""
    if not any(isinstance(finder, _BeforeKeras) for finder in sys.meta_path):
        sys.meta_path.insert(0, _BeforeKeras())
