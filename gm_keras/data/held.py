"""A small split in the memory of the device: a batch is taken there, and nothing is copied to it in each step."""

from typing import Any

import numpy as np
from keras import ops

from gm_keras.data.prepared import IMAGES, PreparedData

#: The most bytes of a split that is held.
MOST_BYTES = 2**30


def fits(data: PreparedData, split: str) -> bool:
    """Whether a split is small enough to be held."""
    return sum(array.nbytes for array in data.arrays(split).values()) <= MOST_BYTES


class HeldSplit:
    """The fields of a split as tensors in the form that they have on disk.

    Args:
        data: The data set.
        split: Of it.
    """

    def __init__(self, data: PreparedData, split: str):
        self._values = {
            field: ops.convert_to_tensor(np.array(array))
            for field, array in data.arrays(split).items()
        }
        self._tables = {
            field: ops.convert_to_tensor(data.table(field))
            for field in self._values
            if field in IMAGES
        }

    def take(self, rows: np.ndarray) -> dict[str, Any]:
        """The same batch as `PreparedData.scaled` gives, of every field."""
        return {field: self._scaled(field, rows) for field in self._values}

    def windows(self, starts: np.ndarray, window: int) -> Any:
        """The same as `PreparedData.windows`: int32 `(starts, window)`."""
        places = starts[:, None] + np.arange(window)
        return ops.cast(ops.take(self._values["tokens"], places, axis=0), "int32")

    def _scaled(self, field: str, rows: np.ndarray) -> Any:
        values = ops.take(self._values[field], rows, axis=0)
        if field in IMAGES:
            return ops.take(self._tables[field], ops.cast(values, "int32"), axis=0)
        if field == "audio":
            return ops.cast(values, "float32") / np.float32(2**15)
        return ops.cast(values, "int32" if field in ("tokens", "label") else "float32")
