"""Output that is whole or not there: written under a temporary name, then renamed."""

import contextlib
import errno
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from gm_keras import reading
from pipelines.shared.errors import UserError

#: What a file of JSON may hold, by its type in Python.
KINDS = {dict: "object", list: "list"}


@contextlib.contextmanager
def writing(target: Path) -> Iterator[None]:
    """Turns what the system says about an output that cannot be written into one line."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise UserError(
                f"the disk is full: {target} was not written; free some space and run this again"
            ) from None
        if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST):
            raise UserError(
                f"cannot write {target}: {error.strerror}; make its folder writable"
            ) from None
        raise


@contextlib.contextmanager
def replacing(target: Path) -> Iterator[Path]:
    """Gives a temporary path beside `target` that takes its place when the block ends well.

    Args:
        target: A file or a folder; what was there stays until then, and for good if the block fails.
    """
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear(target)
        holder = Path(tempfile.mkdtemp(prefix=f".{target.name}.{os.getpid()}.", dir=target.parent))
        try:
            temporary = holder / target.name
            yield temporary
            old = holder / "old"
            if target.is_dir():
                os.replace(target, old)
            try:
                os.replace(temporary, target)
            except OSError:
                if old.exists():
                    os.replace(old, target)
                raise
        finally:
            shutil.rmtree(holder, ignore_errors=True)


@contextlib.contextmanager
def scratch(target: Path) -> Iterator[Path]:
    """Gives an empty folder beside `target` for what is needed within the block only.

    Args:
        target: Names the folder; what a killed process left under this name is removed.
    """
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        _clear(target)
        holder = Path(tempfile.mkdtemp(prefix=f".{target.name}.{os.getpid()}.", dir=target.parent))
        try:
            yield holder
        finally:
            shutil.rmtree(holder, ignore_errors=True)


def _clear(target: Path) -> None:
    """Removes what processes left behind that were killed while they replaced this target."""
    for holder in target.parent.glob(f".{target.name}.*.*"):
        owner = holder.name.removeprefix(f".{target.name}.").split(".")[0]
        if owner.isdigit() and (int(owner) == os.getpid() or not alive(int(owner))):
            # It may have been killed between the two renames: what was there is then in "old".
            if (holder / "old").exists() and not target.exists():
                os.replace(holder / "old", target)
            shutil.rmtree(holder, ignore_errors=True)


def alive(process: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def write_json(path: Path, content: Any, *, in_order: bool = False) -> None:
    """Writes JSON: the same content is the same bytes.

    Args:
        path: The file.
        content: What it shall hold.
        in_order: Keys stand in their own order, for what shows them so; else sorted.
    """
    text = json.dumps(content, indent=2, sort_keys=not in_order, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read_json(path: Path, made_by: str, kind: type = dict) -> Any:
    """Reads JSON that a stage wrote.

    Args:
        path: The file.
        made_by: The command that makes it, for the error.
        kind: What it holds: `dict`, or `list`.

    Raises:
        UserError: One line: it is missing, no file, or damaged, and how to make it again.
    """
    name = reading.shown(path)
    try:
        content = reading.parse_value(reading.read_bytes(path), name)
        if not isinstance(content, kind):
            raise reading.FileError(f"{name} is damaged: it holds no {KINDS[kind]}")
    except FileNotFoundError as error:
        raise UserError(f"{error}: make it with: {made_by}") from None
    except reading.FileError as error:
        problem, _, detail = str(error).removeprefix(name).partition(": ")
        detail = f" ({detail})" if detail else ""
        raise UserError(f"{name}{problem}: make it again with: {made_by}{detail}") from None
    return content
