"""Loads `.keras` files from anywhere, without running what is in them.

Keras' safe mode refuses Python code; before it, the file itself is read as the text that it is, so
that what is wrong with it can be said in one line.
"""

import warnings
import zipfile
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gm_keras import reading
from pipelines.shared.errors import UserError

# The bit of a zip archive that says so.
ENCRYPTED = 0x1

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
    from gm_keras.telling import one_line

    path = Path(path)
    for config in _objects(_configuration(path)):
        _check(path, config)
    try:
        with warnings.catch_warnings():
            # Keras leaves layers as they are whose weights the file lacks.
            warnings.filterwarnings("error", "Skipping nested container")
            return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises anything for a file that is not as it should be
        raise UserError(f"{path} is damaged or not from this version: {one_line(error)}") from None


def _configuration(path: Path) -> Any:
    from gm_keras.telling import one_line

    try:
        reading.check_file(path)
    except (OSError, ValueError) as error:
        raise UserError(f"{error}: expected a .keras file") from None
    damaged = f"{path} is not a whole .keras file: it is damaged or of another kind; make it anew"
    try:
        with zipfile.ZipFile(path) as archive:
            problem = _problem(archive, path.stat().st_size)
            if problem:
                raise UserError(f"{damaged} ({problem})")
            return reading.parse_value(archive.read("config.json"), "config.json")
    except UserError:
        raise
    except reading.FileError as error:
        raise UserError(f"{damaged} ({error})") from None
    except Exception as error:  # zipfile raises a dozen kinds for an archive that is damaged
        raise UserError(f"{damaged} ({one_line(error)})") from None


def _problem(archive: zipfile.ZipFile, size: int) -> str | None:
    """What is wrong with an archive that Keras would read, without unpacking it; None if nothing is."""
    members = archive.infolist()
    names = [each.filename for each in members]
    if len(set(names)) < len(names):
        return "it holds a file twice"
    for name in names:
        if name.startswith("/") or "\\" in name or ".." in name.split("/"):
            return "it names a file outside itself"
    if any(each.flag_bits & ENCRYPTED for each in members):
        return "it is encrypted"
    # Keras stores its files as they are: they are no larger than the archive, whatever they claim.
    if any(each.compress_type != zipfile.ZIP_STORED for each in members):
        return "it is compressed, which Keras never does"
    if sum(each.file_size for each in members) > size:
        return "it claims to hold more than there is"
    broken = archive.testzip()
    return broken and f"{reading.shown(broken)} does not have its checksum"


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Every serialized object in a configuration, the outermost first."""
    waiting = deque([config])
    while waiting:
        each = waiting.popleft()
        if isinstance(each, dict):
            if "class_name" in each:
                yield each
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)


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
    if keras.saving.get_registered_object(str(registered or name)) is None:
        named = reading.shown(f"{module}.{name}")[:100]
        raise UserError(
            f'{path} names the class "{named}", which is not of Keras or gm_keras: '
            "expected a model of these alone"
        )
