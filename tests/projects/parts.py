"""What test projects are made of: the settings, the files of the stages, and a repository around them."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

#: The optimizers of a GAN.
GAME = ("discriminator", "generator")


def block(system: str, optimizers: Sequence[str] = ("main",), **changes: Any) -> dict[str, Any]:
    """The block of a system for `params.yaml`.

    Args:
        system: The name of its class.
        optimizers: Their names; each is Adam.
        **changes: Keys of the block that matter to a test, such as `model`.
    """
    return {
        "class": system,
        "data": "digits",
        "uses": "none",
        "model": {},
        "optimizers": {name: {"class": "adam"} for name in optimizers},
        "fit": {"epochs": 4, "batch_size": 64},
        "sample": {},
        "evaluate": {"samples": 200},
        **changes,
    }


def write_params(folder: Path, systems: Mapping[str, dict[str, Any]], **further: Any) -> None:
    """Writes `params.yaml` with these systems, on digits, and what else it is to hold."""
    content = {"data": {"digits": {"source": "tfds"}}, **further, "systems": dict(systems)}
    YAML().dump(content, folder / "params.yaml")


def write_json(path: Path, content: Any) -> None:
    """Writes a file as a stage does."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_description(
    folder: Path,
    fields: Mapping[str, tuple[Sequence[int], str]],
    splits: Mapping[str, int],
    **further: Any,
) -> None:
    """Writes `dataset.json` as the stage `prepare` does.

    Args:
        folder: Of the prepared data, by whose name they go.
        fields: The shape and the dtype of each; the first is what models learn.
        splits: How many examples each has.
        **further: Entries besides, such as `levels`.
    """
    described = {
        "name": folder.name,
        "source": "tfds",
        "version": "1.0.0",
        "primary": next(iter(fields)),
        "fields": {
            name: {"shape": list(shape), "dtype": dtype} for name, (shape, dtype) in fields.items()
        },
        "splits": dict(splits),
        "levels": None,
        "num_classes": None,
        "class_names": None,
        "checksums": {},
        **further,
    }
    write_json(folder / "dataset.json", described)


def start_repository(folder: Path) -> None:
    """Makes a folder a git repository, with an author."""
    _git(folder, "init", "-q")
    _git(folder, "config", "user.email", "test@example.com")
    _git(folder, "config", "user.name", "Test")


def commit_all(folder: Path) -> None:
    """Commits whatever git does not ignore."""
    _git(folder, "add", "-A")
    _git(folder, "commit", "-qm", "start")


def _git(folder: Path, *arguments: str) -> None:
    done = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def write_described(
    root: Path,
    name: str,
    field: str,
    shape: Sequence[int],
    classes: int | None = None,
    train: int = 5000,
    test: int = 600,
) -> None:
    """Writes what `prepare` says of a data set, without the data: for what looks at their shape alone."""
    folder = root / "data" / name
    folder.mkdir(parents=True)
    info = {
        "name": name,
        "primary": field,
        "fields": {field: {"shape": list(shape), "dtype": "uint8"}},
        "splits": {"train": train, "validation": test, "test": test},
        "num_classes": classes,
    }
    (folder / "dataset.json").write_text(json.dumps(info))
