"""Loads `.keras` files from anywhere, without running what is in them.

Keras' safe mode refuses Python code; before it, the file itself is read as the text that it is, so
that what is wrong with it can be said in one line.
"""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.errors import UserError

#: What a configuration may name: Keras itself, and plain types of Python such as tuples.
TRUSTED = ("keras", "builtins")


def load_keras(path: str | Path) -> Any:
    """Loads a model in safe mode, without its optimizer.

    Args:
        path: A `.keras` file.

    Returns:
        The model.

    Raises:
        UserError: The file is missing or damaged, or names code that is not of Keras or gm_keras.
    """
    import keras

    import gm_keras  # noqa: F401 (registers the classes that a file may name)

    path = Path(path)
    for config in _objects(_configuration(path)):
        _check(path, config)
    try:
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises anything for a file that is not as it should be
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path} is damaged or not from this version: {reason}") from None


def _configuration(path: Path) -> Any:
    if not path.is_file():
        raise UserError(f"{path} is missing: expected a .keras file")
    try:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    except (zipfile.BadZipFile, KeyError, ValueError, OSError):
        raise UserError(
            f"{path} is not a whole .keras file: it is damaged or of another kind; make it anew"
        ) from None


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Every serialized object in a configuration, the outermost first."""
    if isinstance(config, dict):
        if "class_name" in config:
            yield config
        for value in config.values():
            yield from _objects(value)
    elif isinstance(config, list):
        for value in config:
            yield from _objects(value)


def _check(path: Path, config: dict[str, Any]) -> None:
    import keras

    name = str(config["class_name"])
    if name in ("Lambda", "__lambda__"):
        raise UserError(
            f"{path} holds a Lambda layer, which is Python code and is never run: "
            "expected a model of Keras layers and classes of gm_keras"
        )
    module = config.get("module")
    registered = config.get("registered_name")
    if module is None or str(module).split(".")[0] in TRUSTED:
        return
    if keras.saving.get_registered_object(registered or name) is None:
        raise UserError(
            f'{path} names the class "{module}.{name}", which is not of Keras or gm_keras: '
            "expected a model of these alone"
        )
