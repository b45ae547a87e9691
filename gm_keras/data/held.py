"""A small split in the memory of the device: a batch is taken there, and nothing is copied to it in each step."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from keras import ops

from gm_keras.data.prepared import PreparedData
from gm_keras.fields import scaling

#: The most bytes of a split that is held.
MOST_BYTES = 2**30


def fits(data: PreparedData, split: str, fields: Sequence[str] | None = None) -> bool:
    """Whether a split, or these fields of it, are small enough to be held."""
    arrays = data.arrays(split)
    return sum(arrays[field].nbytes for field in data.chosen(fields)) <= MOST_BYTES


class HeldSplit:
    """The fields of a split as tensors in the form that they have on disk.

    Args:
        data: The data set.
        split: Of it.
        fields: By default all.
        labels: In the place of those on disk.
    """

    def __init__(
        self,
        data: PreparedData,
        split: str,
        fields: Sequence[str] | None = None,
        labels: np.ndarray | None = None,
    ):
        arrays = {**data.arrays(split), **({} if labels is None else {"label": labels})}
        self._values = {
            field: ops.convert_to_tensor(np.array(arrays[field])) for field in data.chosen(fields)
        }
        self._tables = {
            field: ops.convert_to_tensor(data.table(field))
            for field in self._values
            if scaling(field) == "pixels"
        }
        self._divisors = data.divisors if "strokes" in self._values else None

    def take(self, rows: np.ndarray) -> dict[str, Any]:
        """The same batch as `PreparedData.scaled` gives, of every field."""
        return {field: self._scaled(field, rows) for field in self._values}

    def windows(self, starts: np.ndarray, window: int) -> Any:
        """The same as `PreparedData.windows`: int32 `(starts, window)`."""
        places = starts[:, None] + np.arange(window)
        return ops.cast(ops.take(self._values["tokens"], places, axis=0), "int32")

    def _scaled(self, field: str, rows: np.ndarray) -> Any:
        values = ops.take(self._values[field], rows, axis=0)
        match scaling(field):
            case "pixels":
                return ops.take(self._tables[field], ops.cast(values, "int32"), axis=0)
            case "codes":
                return ops.cast(values, "int32")
            case "sound":
                return ops.cast(values, "float32") / np.float32(2**15)
            case "strokes":
                return ops.cast(values, "float32") / self._divisors
        return ops.cast(values, "float32")
