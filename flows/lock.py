"""One writer a checkout: flows on the same folder wait for each other."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pipelines.shared.errors import UserError
from pipelines.shared.locks import alone


@contextmanager
def one_writer(root: Path, log: Callable[[str], None]) -> Iterator[None]:
    """Holds the checkout for one flow; a second one waits until the first is done.

    Args:
        root: The folder of the project.
        log: Takes the line that says who is waited for.

    Raises:
        UserError: `root` is not a DVC project.
    """
    if not (root / ".dvc").is_dir():
        raise UserError(f"{root} has no .dvc: run the flows in the folder of the project")
    lock = root / ".dvc" / "tmp" / "gm_keras_flow.lock"
    with alone(lock, "another flow writes in this checkout", log):
        yield
