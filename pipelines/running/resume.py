"""Where a training that was broken off stands: its folder of checkpoints and its run of MLflow.

The folder is `checkpoints/<key>/<fingerprint>/`, outside what DVC removes before it runs a stage. The
fingerprint is of all that shapes the result: a training goes on only as exactly the one that it was.
"""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from gm_keras import backend, reading
from gm_keras.callbacks import Checkpoints
from pipelines import tracking
from pipelines.running import code
from pipelines.settings import NOTHING, Settings, project_root
from pipelines.shared.files import write_json
from pipelines.tracking.revision import dvc_hash


def fingerprint(key: str, settings: Settings, root: Path) -> str:
    """A checksum of everything that shapes what a training ends with.

    Args:
        key: Of the system in `params.yaml`.
        settings: Of the project; how often checkpoints are written is left out.
        root: The folder of the project.

    Returns:
        16 hexadecimal digits.
    """
    system = settings.system(key)
    block = system.model_dump(by_alias=True)
    del block["fit"]["checkpoint_every"], block["evaluate"]
    files = [root / "data" / system.data / "dataset.json"]
    if system.uses != NOTHING:
        used = root / "models" / system.uses
        files += [used / "config.json", used / "model.weights.h5"]
    facts = {
        "system": block,
        "seed": settings.training_seed(key),
        "backend": [backend.name, backend.version(), backend.device_name(), keras.__version__],
        "files": [_checksum(path) for path in files],
        "code": code.digest("train", key, settings),
    }
    text = json.dumps(facts, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _checksum(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def open_run(folder: Path, settings: Settings, key: str, facts: dict[str, Any]) -> tracking.Run:
    """The MLflow run of a training: the one that it had when it was broken off, or a new one.

    Args:
        folder: Of its checkpoints; keeps a token that the run carries as a tag.
        settings: Of the project.
        key: Of the system.
        facts: What `tracking.start_run` takes.
    """
    note = folder / "run.json"
    token = _read(note).get("token") or _unrecorded(folder, key)
    if not note.exists():
        # On disk before the run is there: so it is found again whenever the training was broken off.
        token = token or uuid.uuid4().hex
        write_json(note, {"token": token})
    return tracking.start_run(settings.tracking, key, token=token, **facts)


def _unrecorded(folder: Path, key: str) -> str | None:
    """The token of the same training, if it ended but DVC was killed before it took note of that."""
    last = _read(_note_of_last(folder))
    if "DVC_ROOT" not in os.environ or last.get("fingerprint") != folder.name:
        return None
    recorded = dvc_hash(project_root(), Path("models", key, "model.weights.h5"))
    return None if recorded == last.get("md5") else last.get("token")


def _note_of_last(folder: Path) -> Path:
    return folder.parent.with_suffix(".last.json")


def _read(path: Path) -> dict[str, Any]:
    try:
        return reading.read_json(path)
    except (OSError, ValueError):
        return {}


@contextlib.contextmanager
def stopping(checkpoints: Checkpoints) -> Iterator[None]:
    """Within this context a signal to stop ends the training with a checkpoint; a second one at once."""
    before = {}

    def ask(*_: Any) -> None:
        checkpoints.stop_asked = True
        restore()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    for number in (signal.SIGTERM, signal.SIGINT):
        before[number] = signal.signal(number, ask)
    try:
        yield
    finally:
        restore()


def finish(folder: Path, weights: Path) -> None:
    """Removes the checkpoints of a training that is done, and of other settings before it.

    Args:
        folder: Of its checkpoints.
        weights: The file that the training ended with.
    """
    token = _read(folder / "run.json").get("token")
    md5 = hashlib.md5(weights.read_bytes(), usedforsecurity=False).hexdigest()
    write_json(_note_of_last(folder), {"fingerprint": folder.name, "token": token, "md5": md5})
    shutil.rmtree(folder.parent, ignore_errors=True)
