"""Where the command reads and writes, as seen from the folder of the project."""

import os
from pathlib import Path

from pipelines.shared.errors import UserError

PARAMS = Path("params.yaml")
#: For pictures that nobody named: git ignores it.
PICTURES = Path("plots")


def check_place(output: Path) -> None:
    """Raises a `UserError` for a file of `-o` that cannot be written where it is to be."""
    if output.is_dir():
        raise UserError(f"-o {output} is a folder: name a file in it")
    folder = output.parent
    if folder == PICTURES and not folder.exists():
        folder = folder.parent  # it is made with the first picture
    if not folder.is_dir():
        raise UserError(f"-o {output}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise UserError(f"-o {output}: the folder {folder} cannot be written to")
