"""Locks that the system frees when their holder ends, however it ends: none is left behind."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.shared.files import writing


@contextmanager
def alone(path: Path, what: str, log: Callable[[str], None]) -> Iterator[None]:
    """Holds a lock; a second process waits until the first is done.

    Args:
        path: The lock's file; its folder is made.
        what: What the holder does, for the line that says who is waited for.
        log: Takes that line.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+")
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            log(f"waiting: {what} (process {file.read().strip()})")
            fcntl.flock(file, fcntl.LOCK_EX)
        with writing(path):
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
        yield
