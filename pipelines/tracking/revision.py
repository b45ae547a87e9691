"""What was trained: the revision of the code in git, and that of the data in DVC."""

import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

from pipelines.shared import yaml_file
from pipelines.shared.errors import UserError

# What the pipeline itself writes while it runs says nothing about the code that ran.
WRITTEN_BY_THE_PIPELINE = (":(exclude)dvc.lock", ":(exclude)metrics")


def _git(root: Path, *arguments: str) -> str | None:
    try:
        result = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return result.stdout.strip()


def short_revision(root: Path) -> str:
    """Returns the short git revision, or "nogit" outside a repository."""
    return _git(root, "rev-parse", "--short", "HEAD") or "nogit"


def committed(root: Path, name: str) -> str | None:
    """What the commit has of a file; None where it has none. DVC's experiments name the one that they began with.

    Args:
        root: The repository, or a folder in it.
        name: Of a file in that folder.
    """
    revision = os.environ.get("DVC_EXP_BASELINE_REV") or "HEAD"
    return _git(root, "show", f"{revision}:./{name}")


def changes(root: Path) -> list[str]:
    """The tracked files that differ from the commit, but for those that the pipeline writes."""
    named = ("diff", "--name-only", "--relative", "HEAD", "--", ".", *WRITTEN_BY_THE_PIPELINE)
    return (_git(root, *named) or "").splitlines()


def revision_tags(root: Path, data: Path | None) -> dict[str, str]:
    """Returns the tags that say which code and which data a run was made from.

    Args:
        root: The repository.
        data: The folder of the prepared data set.

    Returns:
        `git.revision` and `git.dirty` (are there changes besides those that the pipeline writes);
        `dvc.revision`, the hash under which DVC keeps the data set, or without one the MD5 of its
        `dataset.json`; within an experiment of DVC its name as `dvc.experiment`.
    """
    tags = {}
    if revision := _git(root, "rev-parse", "HEAD"):
        tags["git.revision"] = revision
        tags["git.dirty"] = "true" if changes(root) else "false"
    if data is not None and (data_revision := dvc_hash(root, data) or md5(data / "dataset.json")):
        tags["dvc.revision"] = data_revision
    if experiment := os.environ.get("DVC_EXP_NAME"):
        tags["dvc.experiment"] = experiment
    return tags


def dvc_hash(root: Path, output: Path) -> str | None:
    """Returns the hash that `dvc.lock` has for an output, or None where it has none.

    Args:
        root: The repository.
        output: A file or folder that a stage writes.
    """
    try:
        wanted = (root / output).resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        return None
    return next((md5 for path, md5 in locked_outputs(root) if path == wanted), None)


def locked_outputs(root: Path) -> list[tuple[str, str | None]]:
    """The path and hash of every output that `dvc.lock` knows; none where there is no readable lock."""
    try:
        return [
            (str(out["path"]), out.get("md5"))
            for stage in _locked_stages(root).values()
            for out in stage.get("outs") or []
        ]
    except (LookupError, AttributeError, TypeError):
        return []  # not as DVC writes it: DVC itself says so


def locked_settings(root: Path, stage: str) -> dict[str, Any] | None:
    """The part of `params.yaml` with which a stage last ran, by its dotted keys; None where `dvc.lock` has none.

    Args:
        root: The repository.
        stage: Such as `prepare@digits`.
    """
    try:
        return dict(_locked_stages(root)[stage]["params"]["params.yaml"])
    except (LookupError, TypeError, ValueError):
        return None


def _locked_stages(root: Path) -> dict[str, Any]:
    try:
        return yaml_file.load(root / "dvc.lock")["stages"]
    except (UserError, LookupError, TypeError):
        return {}  # not there yet, or not as DVC writes it


def md5(path: Path) -> str | None:
    """The MD5 of a file, as DVC has it; None where there is no file."""
    if not path.is_file():
        return None
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()
