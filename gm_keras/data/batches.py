"""Batches for `fit`, whose order depends on nothing but the seed and the step."""

from collections.abc import Sequence

import keras
import numpy as np

from gm_keras.data.few_labels import only
from gm_keras.data.held import HeldSplit
from gm_keras.data.prepared import PreparedData


class Batches(keras.utils.PyDataset):
    """A split as batches; `fit` moves on to the next epoch by itself.

    The batches are one endless stream, a pure function of the seed: pass p over the split is the
    permutation of `numpy.random.default_rng([seed, p])`, cut into P batches from first to last;
    batch g of the stream is batch g mod P of pass g // P; and epoch e is the batches from
    e * steps_per_epoch on. By default an epoch is one pass. So a resumed run needs no replay of
    what it has seen, even if it broke off within an epoch.

    Two habits of Keras would spoil that. By default `fit` asks for the batches in an order of its
    own, drawn from Python's `random`: so within `fit` the number asked for does not matter, the
    k-th request is answered with the k-th batch. And `on_epoch_end` also comes at the start of
    `fit`, after a look at the first batch if the model still has to be built: so an epoch counts
    from its second batch on. Where that leaves a doubt (one batch an epoch, or
    `steps_per_execution`, with a model that `fit` builds), `follow()` gives a callback that sets
    the epoch to that of `fit`. Choose the length of an epoch here: `fit(steps_per_epoch=...)`
    would mix two orders where the backend reads ahead.

    A stream of tokens is cut into windows. Shuffled, pass p cuts windows that do not overlap,
    after an offset of less than a window, and takes them in permuted order; both are drawn from
    `default_rng([seed, p])`. Not shuffled, the windows begin at the first token and each begins
    with the last token of the one before, so that every token but the first is predicted exactly
    once from those before it; what is left at the end and fills no window is left out.

    Args:
        data: The data set.
        split: `train`, `validation`, `test` or another that there is.
        batch_size: Examples in a batch.
        seed: Chooses the orders.
        shuffle: Shuffle, and leave out a smaller last batch of a pass (it would trace the step a
            second time and bias batch statistics). False reads the split from first to last,
            whole.
        initial_epoch: The epoch to begin with, as in `fit(initial_epoch=...)`.
        steps_per_epoch: The batches in an epoch; by default those of one pass. Only with `shuffle`.
        first_batch: Begin `initial_epoch` with this batch instead of batch 0: the epoch has so
            many fewer. Keras asks for the length once in a `fit`, so such an instance serves the
            rest of this one epoch, with `fit(initial_epoch=e, epochs=e + 1)`; the next epochs
            take a new instance.
        on_device: Hold the split in the memory of the device; for small splits on a GPU. The values are the same.
        window: For a stream of tokens, and only there: the tokens of an example, a model's
            context and one more.
        fields: Read these and no others; by default all.
        labelled: Rows of the split whose labels are known; those of all others are -1. By default all are.
    """

    def __init__(
        self,
        data: PreparedData,
        split: str,
        batch_size: int,
        seed: int = 0,
        shuffle: bool = True,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        first_batch: int = 0,
        window: int | None = None,
        on_device: bool = False,
        fields: Sequence[str] | None = None,
        labelled: np.ndarray | None = None,
    ):
        # One reader in the calling thread: Keras starts worker threads before `on_epoch_begin`.
        super().__init__(workers=1, use_multiprocessing=False)
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1, not {batch_size}")
        if steps_per_epoch is not None and steps_per_epoch < 1:
            raise ValueError(f"steps_per_epoch must be at least 1, not {steps_per_epoch}")
        if steps_per_epoch is not None and not shuffle:
            raise ValueError("steps_per_epoch goes with shuffle only: else the split is read whole")
        if data.stream != (window is not None):
            raise ValueError(
                f'data set "{data.name}" is a stream of tokens: it needs a window'
                if data.stream
                else f'data set "{data.name}" is no stream of tokens: it takes no window'
            )
        self.data, self.split, self.window = data, split, window
        self.fields = data.chosen(fields)
        self.batch_size, self.seed, self.shuffle = batch_size, seed, shuffle
        self.size = self._count()
        if shuffle and self.size < batch_size:
            raise ValueError(
                f'batch_size is {batch_size}, but split "{split}" of data set "{data.name}" has '
                f"{self.size} {'examples' if window is None else f'windows of {window} tokens'}: "
                f"set it to at most {self.size}"
            )
        # The batches of a pass, and of an epoch.
        self.steps_per_pass = self.size // batch_size if shuffle else -(-self.size // batch_size)
        self.steps_per_epoch = steps_per_epoch or self.steps_per_pass
        if not 0 <= first_batch < self.steps_per_epoch:
            raise ValueError(
                f"first_batch is {first_batch}, but an epoch has the batches 0 to "
                f"{self.steps_per_epoch - 1}"
            )
        self.epoch = self.initial_epoch = initial_epoch
        self.first_batch = first_batch
        self._labels = None
        if labelled is not None:
            self._labels = only(data.rows(split, "label", slice(None)), labelled)
        self._held = HeldSplit(data, split, self.fields, self._labels) if on_device else None
        if shuffle and not on_device:
            data.map_pages(split, self.fields)
        self._order: tuple[int, np.ndarray] | None = None
        # Within an epoch of Keras: the number asked for -> the batch that it got.
        self._answered: dict[int, int] | None = None

    def __len__(self) -> int:
        """The number of batches in the present epoch."""
        return self.steps_per_epoch - self._skipped()

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Reads one batch of the present epoch.

        Args:
            index: The batch's number in what there is of the epoch, from 0; within `fit` any
                number not asked for yet gives the next batch.

        Returns:
            The fields, each (batch_size, *shape of one example), as `gm_keras.fields` has them in a batch:
            pixels float32 in [-1, 1], `audio` float32 in [-1, 1), `features` and `strokes` float32; `tokens`,
            `caption`, `mask` and `label` int32. Windows of a stream are `tokens` (batch_size, window).
        """
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        if self._answered is not None:
            index = self._answered.setdefault(index, len(self._answered))
        return self.read(self.epoch * self.steps_per_epoch + self._skipped() + index)

    def read(self, step: int) -> dict[str, np.ndarray]:
        """Reads batch `step` of the endless stream, whatever the present epoch is."""
        index = step % self.steps_per_pass
        order = self.order(step // self.steps_per_pass)
        rows = order[index * self.batch_size : (index + 1) * self.batch_size]
        if self._held is not None:
            if self.window is None:
                return self._held.take(rows)
            return {"tokens": self._held.windows(rows, self.window)}
        if self.window is not None:
            return {"tokens": self.data.windows(self.split, self.window, rows)}
        batch = {
            field: self.data.scaled(self.split, field, rows)
            for field in self.fields
            if field != "label"
        }
        if "label" in self.fields:
            batch["label"] = (
                self.data.rows(self.split, "label", rows).astype("int32")
                if self._labels is None
                else self._labels[rows]
            )
        return batch

    def order(self, number: int) -> np.ndarray:
        """The rows of a pass in their order, or where its windows begin.

        Args:
            number: The pass, from 0.

        Returns:
            Integers (size,); a function of the seed and the pass.
        """
        if not self.shuffle:
            return np.arange(self.size) * (1 if self.window is None else self.window - 1)
        if self._order is None or self._order[0] != number:
            generator = np.random.default_rng([self.seed, number])
            if self.window is None:
                order = generator.permutation(self.size)
            else:
                offset = generator.integers(self.window)
                order = offset + self.window * generator.permutation(self.size)
            self._order = (number, order)
        return self._order[1]

    def on_epoch_begin(self) -> None:
        """Called by Keras before it reads."""
        if self.first_batch and self.epoch != self.initial_epoch:
            raise ValueError(
                f"these batches are the rest of epoch {self.initial_epoch} (first_batch is "
                f"{self.first_batch}): go on with new Batches, initial_epoch={self.epoch}"
            )
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

    def _skipped(self) -> int:
        return self.first_batch if self.epoch == self.initial_epoch else 0

    def _count(self) -> int:
        """The examples of a pass."""
        tokens = self.data.size(self.split)
        if self.window is None:
            return tokens
        if not self.shuffle:
            return self.data.count_windows(self.split, self.window)
        # As many after the largest offset as after none: every pass has the same number.
        count = (tokens - self.window + 1) // self.window
        if self.window < 2 or count < 1:
            raise ValueError(
                f'window is {self.window}, but split "{self.split}" of data set '
                f'"{self.data.name}" has {tokens} tokens: set it to 2 to {(tokens + 1) // 2}'
            )
        return count
