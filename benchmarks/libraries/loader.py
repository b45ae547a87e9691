"""PyTorch's DataLoader over the arrays of a prepared data set: mapped into memory, read a batch at a time, in workers.

Differences from our batches: none in what a batch holds. The windows of a stream of tokens always begin at multiples of
their length, where ours shift with each pass, which is less work.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

IMAGES = ("image", "source", "target")


class Examples(Dataset):
    """A split of a prepared data set; a list of examples is read with one look into each array."""

    def __init__(self, case: dict[str, Any]):
        self.arrays = {
            Path(path).stem.removeprefix("train_"): np.load(path, mmap_mode="r")
            for path in (
                *case["fields"].values(),
                *Path(case["data"]).glob("train_label.npy"),
            )
        }
        self.levels = case["levels"]
        self.window = case["model"]["context"] + 1 if "tokens" in self.arrays else 0

    def __len__(self) -> int:
        rows = len(next(iter(self.arrays.values())))
        return rows // self.window if self.window else rows

    def __getitems__(self, indices: list[int]) -> dict[str, Tensor]:
        rows = np.array(indices)
        if self.window:
            rows = rows[:, None] * self.window + np.arange(self.window)
        return {
            field: self._scaled(field, torch.from_numpy(values[rows]))
            for field, values in self.arrays.items()
        }

    def _scaled(self, field: str, values: Tensor) -> Tensor:
        if field in IMAGES:
            return values.float().mul_(2.0 / (self.levels - 1)).sub_(1.0)
        return values.int()


def whole(batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """What was read is a batch already."""
    return batch


class Loading:
    """Reads batches and does nothing with them.

    Args:
        case: From `benchmarks.cases`.
        workers: Processes that read ahead; with none, the loop reads itself.
    """

    def __init__(self, case: dict[str, Any], workers: int):
        torch.manual_seed(0)
        self._size = case["batch_size"] * case["batches"]
        self._loader = DataLoader(
            Examples(case),
            self._size,
            shuffle=True,
            drop_last=True,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=whole,
        )
        self._batches = iter(self._loader)
        self._done = 0

    def run(self, batches: int) -> None:
        """Reads so many more, pass after pass."""
        for _ in range(batches):
            try:
                self._last = next(self._batches)
            except StopIteration:
                self._batches = iter(self._loader)
                self._last = next(self._batches)
            self._done += 1

    def facts(self) -> dict[str, Any]:
        """The examples and bytes of a batch, and the batches read."""
        return {
            "done": self._done,
            "examples": self._size,
            "bytes": sum(values.nbytes for values in self._last.values()),
        }
