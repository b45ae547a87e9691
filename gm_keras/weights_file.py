"""Weights on a disk that may be full."""

import errno
import math
import os
import shutil
from pathlib import Path
from typing import Any

# What HDF5 writes besides the numbers: for each variable, and for the file.
FOR_EACH, FOR_ALL = 8 * 2**10, 2**20


def save_weights(model: Any, path: Path) -> None:
    """As `model.save_weights`, but without room for the file it raises, as every other writer does.

    HDF5 ends the whole process where a disk is full (https://github.com/h5py/h5py/issues/914).

    Args:
        model: A Keras model.
        path: The file, in an existing folder.

    Raises:
        OSError: There is no room; nothing was written.
    """
    needed = FOR_ALL
    for variable in model.variables:
        width = 8 if str(variable.dtype).endswith("64") else 4
        needed += FOR_EACH + width * math.prod(variable.shape)
    if shutil.disk_usage(path.parent).free < needed:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
    model.save_weights(path)
