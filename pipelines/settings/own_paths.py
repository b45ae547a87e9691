"""A user's files and what the pipeline writes must not lie in one place: outputs are replaced, most of them by DVC
before the stage runs.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pipelines.settings import Settings
from pipelines.shared.errors import UserError

#: What is written in the folder of a project, `data/<name>` aside.
OUTPUTS = (
    ".dvc",
    ".git",
    "build",
    "checkpoints",
    "exports",
    "extractors",
    "metrics",
    "mlartifacts",
    "mlflow.db",
    "mlruns",
    "models",
    "plots",
    "reports",
)
# What `prepare` writes, and what file managers leave in every folder that they show.
_PREPARED = re.compile(
    r"dataset\.json|(train|validation|test|unseen)_([a-z]+|attribute_\w+)\.npy"
    r"|\.DS_Store|Thumbs\.db|desktop\.ini"
)


def check(settings: Settings, root: Path) -> None:
    """Refuses settings (and folders of TFDS) that name a place where an output of the pipeline goes.

    Args:
        settings: `params.yaml`.
        root: The folder of the project.

    Raises:
        UserError: One line for the first such path.
    """
    for name, data in settings.data.items():
        if data.source in ("folder", "table") and data.path:
            where = f"params.yaml: data.{name}.path"
            refuse(expanded(root, data.path, where), where, settings, root)
    if settings.metrics.weights:
        where = "params.yaml: metrics.weights"
        refuse(expanded(root, settings.metrics.weights, where), where, settings, root)
    for variable in ("TFDS_DATA_DIR", "GM_KERAS_DOWNLOAD_DIR"):
        if os.environ.get(variable):
            refuse(expanded(root, os.environ[variable], variable), variable, settings, root)


def refuse(path: Path, where: str, settings: Settings, root: Path) -> None:
    """Refuses one path of the user's if it is, holds, or lies in an output of the pipeline.

    Args:
        path: The file or folder.
        where: What names it, such as `params.yaml: data.cats.path`.
        settings: `params.yaml`, whose data sets each have an output.
        root: The folder of the project.

    Raises:
        UserError: It does; in one line.
    """
    for output in (*(f"data/{name}" for name in settings.data), *OUTPUTS):
        relation = overlap(path, root / output)
        if relation:
            raise UserError(
                f"{where}: {path} {relation} {output}, which the pipeline replaces, so that your files "
                "would be lost: move them to another folder, such as pictures/, and name that"
            )


def expanded(root: Path, path: str, where: str) -> Path:
    """A path of `params.yaml`: relative to the folder of the project, `~` for the home.

    Raises:
        UserError: It names the home of nobody, or holds a null character.
    """
    try:
        if "\0" in path:
            raise ValueError("it holds a null character")
        # Names of files are bytes: those of UTF-8, whatever the locale says.
        return root / Path(os.fsdecode(path.encode("utf-8"))).expanduser()
    except (RuntimeError, ValueError) as error:
        raise UserError(f"{where}: {path!r} is no path: {error}") from None


def overlap(path: Path, output: Path) -> str | None:
    """How a path and an output share a place: "is", "lies in" or "holds"; None if they do not.

    Links are followed on both sides, and what exists is compared as the file system has it: by another
    spelling, or mounted in another place, a folder is still the same.
    """
    own, written = Path(os.path.realpath(path)), Path(os.path.realpath(output))
    if _same(own, written):
        return "is"
    if any(_same(parent, written) for parent in own.parents):
        return "lies in"
    if any(_same(own, parent) for parent in written.parents):
        return "holds"
    return None


def refuse_foreign(output: Path) -> None:
    """Refuses to replace a folder that `prepare` did not write.

    Raises:
        UserError: It holds something else; in one line.
    """
    entry = next(_foreign(output), None)
    if entry is not None:
        raise UserError(
            f"{output} holds {entry}, which `prepare` did not write, and would be replaced: move your "
            "files to another folder, or delete this one if it holds none"
        )


def _foreign(output: Path) -> Iterator[str]:
    if not output.is_dir():
        return
    names = sorted(entry.name for entry in output.iterdir())
    described = "dataset.json" in names
    for name in names:
        if not _PREPARED.fullmatch(name) or (name.endswith(".npy") and not described):
            yield name


def _same(one: Path, other: Path) -> bool:
    if one == other:
        return True
    try:
        return one.samefile(other)
    except (OSError, ValueError):
        return False
