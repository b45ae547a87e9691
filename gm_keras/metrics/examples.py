"""Examples of a prepared data set as a model takes them, read batch by batch."""

from collections.abc import Iterator
from typing import Any

import numpy as np

BATCH = 256


class UnreadableError(Exception):
    """The data set is damaged: not a reason to leave a score out, as it concerns every score."""


def drawn(size: int, limit: int, seed: int) -> np.ndarray:
    """Rows drawn at random without repetition; fewer of the same seed are the first of more.

    Args:
        size: How many there are.
        limit: How many are wanted at most.
        seed: Of the draw.
    """
    return np.random.default_rng([seed, size]).permutation(size)[:limit]


def conditions_of(
    model: Any, data: Any, split: str, rows: np.ndarray | slice
) -> dict[str, np.ndarray]:
    """What a model is told of some examples of a data set.

    Args:
        model: A `GenerativeModel`.
        data: Prepared data, which has a field for each condition of the model.
        split: `train`, `validation` or `test`.
        rows: Of the split.

    Returns:
        By name `(rows, *shape)`: classes int32, real numbers float32 and scaled as in training.
    """
    return {
        name: np.asarray(data.arrays(split)[name][rows]).astype("int32")
        if name == "label"
        else data.scaled(split, name, rows)
        for name in model.conditions
    }


class Examples:
    """Some examples of a split; only the rows that are asked for are read.

    Args:
        data: Prepared data (`gm_keras.data.PreparedData`).
        model: A `GenerativeModel`: it says which field is meant, and how long windows of tokens are.
        split: `train`, `validation` or `test`.
        limit: At most so many, drawn at random; by default all.
        seed: Of that draw.
    """

    def __init__(
        self, data: Any, model: Any, split: str = "test", limit: int | None = None, seed: int = 0
    ):
        self.model, self.data, self.split, self.field = model, data, split, model.data_field
        self.window = model.data_shape[0] if data.stream else None
        size = data.count_windows(split, self.window) if self.window else data.size(split)
        self.rows = np.arange(size)
        if limit is not None and limit < size:
            self.rows = drawn(size, limit, seed)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: slice | np.ndarray) -> np.ndarray:
        """The examples at some places, scaled as in training: `(n, *shape of one example)`.

        Raises:
            UnreadableError: If the data set is damaged.
        """
        rows = self.rows[index]
        try:
            if self.window:
                return self.data.windows(self.split, self.window, rows * (self.window - 1))
            return self.data.scaled(self.split, self.field, rows)
        except (ValueError, OSError) as error:
            raise UnreadableError(str(error)) from error

    def conditions(self, index: slice | np.ndarray) -> dict[str, np.ndarray]:
        """What the model is told of the examples at some places, by name: `(n, *shape)`."""
        return conditions_of(self.model, self.data, self.split, self.rows[index])

    def batches(self, size: int = BATCH) -> Iterator[np.ndarray]:
        """All examples in order, so many at a time."""
        for start in range(0, len(self), size):
            yield self[start : start + size]
