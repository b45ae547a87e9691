"""Batches for `fit`, whose order depends on nothing but the seed and the epoch."""

import keras
import numpy as np

from gm_keras.data.prepared import PreparedData


class Batches(keras.utils.PyDataset):
    """One pass over a split as batches; `fit` moves on to the next epoch's order by itself.

    Epoch e is the permutation of `numpy.random.default_rng([seed, e])`, cut into batches from
    first to last: a resumed run needs no replay of what it has seen. Two habits of Keras would
    spoil that. By default `fit` asks for the batches in an order of its own, drawn from Python's
    `random`: so within `fit` the number asked for does not matter, the k-th request is answered
    with the k-th batch. And `on_epoch_end` also comes at the start of `fit`, after a look at the
    first batch if the model still has to be built: so an epoch counts from its second batch on.
    Where that leaves a doubt (one batch an epoch, or `steps_per_execution`, with a model that
    `fit` builds), `follow()` gives a callback that sets the epoch to that of `fit`. An epoch is a
    whole pass: `steps_per_epoch` would mix two orders where the backend reads ahead.

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
        # Within an epoch of Keras: the number asked for -> the batch that it got.
        self._answered: dict[int, int] | None = None

    def __len__(self) -> int:
        """The number of batches in an epoch."""
        if self.shuffle:
            return self.size // self.batch_size
        return -(-self.size // self.batch_size)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Reads one batch of the present epoch.

        Args:
            index: The batch's number in the epoch, from 0; within `fit` any number not asked
                for yet gives the next batch.

        Returns:
            `image` float32 (batch_size, height, width, channels) in [-1, 1], or `features`
            float32 (batch_size, features); `label` int32 (batch_size,) where there are labels.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        if self._answered is not None:
            index = self._answered.setdefault(index, len(self._answered))
        rows = self.order(self.epoch)[index * self.batch_size : (index + 1) * self.batch_size]
        arrays = self.data.arrays(self.split)
        batch = {self.data.primary: self.data.scaled(self.split, indices=rows)}
        if "label" in arrays:
            batch["label"] = np.array(arrays["label"][rows], "int32")
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
        self._answered = {}

    def on_epoch_end(self) -> None:
        """Called by Keras; moves on unless there was only a look at the first batch."""
        if self._answered is not None and len(self._answered) >= min(2, len(self)):
            self.epoch += 1
        self._answered = None

    def follow(self) -> keras.callbacks.Callback:
        """A callback for `fit` that keeps `epoch` equal to the epoch that `fit` is in."""
        return keras.callbacks.LambdaCallback(on_epoch_begin=self._set_epoch)

    def _set_epoch(self, epoch: int, logs: dict | None = None) -> None:
        del logs
        self.epoch = epoch
