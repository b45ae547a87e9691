"""One writer a checkout: flows on the same folder wait for each other."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.errors import UserError


@contextmanager
def one_writer(root: Path, log: Callable[[str], None]) -> Iterator[None]:
    """Holds the checkout for one flow; a second one waits until the first is done.

    The system frees the lock when its holder ends, however it ends, so none is left behind.

    Args:
        root: The folder of the project.
        log: Takes the line that says who is waited for.

    Raises:
        UserError: `root` is not a DVC project.
    """
    if not (root / ".dvc").is_dir():
        raise UserError(f"{root} has no .dvc: run the flows in the folder of the project")
    folder = root / ".dvc" / "tmp"
    folder.mkdir(exist_ok=True)
    with (folder / "gm_keras_flow.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            log(f"waiting: another flow (process {file.read().strip()}) writes in this checkout")
            fcntl.flock(file, fcntl.LOCK_EX)
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
