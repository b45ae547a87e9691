"""Arrays of any length that are made piece by piece: on disk, so that memory does not grow with them."""

import itertools
from collections.abc import Iterable
from pathlib import Path

import numpy as np


class Spool:
    """Collects rows in `<folder>/<name>.npy`, or in memory where there is no folder.

    Args:
        rows: How many there will be.
        folder: An existing folder, or None.
        name: Of the file.
    """

    def __init__(self, rows: int, folder: Path | None, name: str):
        self.rows, self.folder, self.name = rows, folder, name
        self.parts: list[np.ndarray] = []
        self.file = None

    def add(self, part: np.ndarray) -> None:
        """Appends some rows; all parts have one type and shape, the first axis aside."""
        if self.folder is None:
            self.parts.append(part)
            return
        if self.file is None:
            self.path = self._free()
            self.file = self.path.open("wb")
            layout = {
                "descr": np.lib.format.dtype_to_descr(part.dtype),
                "fortran_order": False,
                "shape": (self.rows, *part.shape[1:]),
            }
            np.lib.format.write_array_header_1_0(self.file, layout)
        # Not a memory map: writing to one on a full disk kills the process instead of raising.
        self.file.write(np.ascontiguousarray(part).tobytes())

    def _free(self) -> Path:
        # A file that is there may be mapped still: to write it anew would pull it away from its readers.
        names = (f"{self.name}{number or ''}.npy" for number in itertools.count())
        return next(path for name in names if not (path := self.folder / name).exists())

    def finish(self) -> np.ndarray:
        """All rows: an array, or a read-only memory map of the file."""
        if self.folder is None:
            return np.concatenate(self.parts)
        self.file.close()
        return np.load(self.path, mmap_mode="r", allow_pickle=False)


def spool(
    parts: Iterable[np.ndarray], rows: int, folder: Path | None = None, name: str = "rows"
) -> np.ndarray:
    """Puts parts end to end; see `Spool`."""
    target = Spool(rows, folder, name)
    for part in parts:
        target.add(part)
    return target.finish()
