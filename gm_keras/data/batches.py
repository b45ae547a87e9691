"""Batches for `fit`, whose order depends on nothing but the seed and the epoch."""

import keras
import numpy as np

from gm_keras.data.prepared import PreparedData


class Batches(keras.utils.PyDataset):
    """One pass over a split as batches; `fit` moves on to the next epoch's order by itself.

    Epoch e is the permutation of `numpy.random.default_rng([seed, e])`: a resumed run needs no
    replay of what it has seen. Keras calls `on_epoch_end` also at the start of `fit`, after at
    most a look at the first batches, so the epoch advances only where its last batch was read.
    With a single batch an epoch those cannot be told apart, if the model still has to be built
    by `fit`; `follow()` gives a callback that sets the epoch to that of `fit` in any case.

    Args:
        data: The data set.
        split: `train`, `validation` or `test`.
        batch_size: Examples in a batch.
        seed: Chooses the orders.
        shuffle: Shuffle, and leave out a smaller last batch (it would trace the step a second
            time and bias batch statistics). False reads the split from first to last, whole.
        initial_epoch: The epoch to begin with, as in `fit(initial_epoch=...)`.
    """

    def __init__(
        self,
        data: PreparedData,
        split: str,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
        initial_epoch: int = 0,
    ):
        # One reader in the calling thread: Keras starts worker threads before `on_epoch_begin`.
        super().__init__(workers=1, use_multiprocessing=False)
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        self.data, self.split = data, split
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.size = data.size(split)
        if shuffle and self.size < batch_size:
            raise ValueError(
                f'batch_size is {batch_size}, but split "{split}" of data set "{data.name}" has '
                f"{self.size} examples: set it to at most {self.size}"
            )
        self.epoch = initial_epoch
        self._order: tuple[int, np.ndarray] | None = None
        self._begun = False
        self._finished = False

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        if self.shuffle:
            return self.size // self.batch_size
        return -(-self.size // self.batch_size)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Reads one batch of the present epoch.

        Args:
            index: The batch's number in the epoch, from 0.

        Returns:
            `image` float32 (batch_size, height, width, channels) in [-1, 1], or `features`
            float32 (batch_size, features); `label` int32 (batch_size,) where there are labels.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        rows = self.order(self.epoch)[index * self.batch_size : (index + 1) * self.batch_size]
        arrays = self.data.arrays(self.split)
        batch = {self.data.primary: self.data.scaled(self.split, indices=rows)}
        if "label" in arrays:
            batch["label"] = np.array(arrays["label"][rows], "int32")
        self._finished = self._begun and index == len(self) - 1
        return batch

    def order(self, epoch: int) -> np.ndarray:
        """The rows of an epoch in their order, (size,); a function of the seed and the epoch."""
        if not self.shuffle:
            return np.arange(self.size)
        if self._order is None or self._order[0] != epoch:
            generator = np.random.default_rng([self.seed, epoch])
            self._order = (epoch, generator.permutation(self.size))
        return self._order[1]

    def on_epoch_begin(self) -> None:
        """Called by Keras before it reads."""
        self._begun = True
        self._finished = False

    def on_epoch_end(self) -> None:
        """Called by Keras; moves on only if the epoch was really read to its end."""
        if self._finished:
            self.epoch += 1
        self._begun = False
        self._finished = False

    def follow(self) -> keras.callbacks.Callback:
        """A callback for `fit` that keeps `epoch` equal to the epoch that `fit` is in."""
        return keras.callbacks.LambdaCallback(on_epoch_begin=self._set_epoch)

    def _set_epoch(self, epoch: int, logs: dict | None = None) -> None:
        del logs
        self.epoch = epoch
