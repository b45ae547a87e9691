"""Checkpoints from which a training goes on as if it had never stopped."""

import contextlib
import errno
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gm_keras import reading
from gm_keras.telling import one_line

KEPT = 2
PATTERN = "checkpoint_*.npz"


@dataclass(frozen=True)
class Position:
    """Where a training stands: so many whole epochs, so many batches of the next one, and its curves.

    Attributes:
        epoch: Epochs done.
        batch: Batches done of the epoch after them.
        history: The curves of the epochs done, one dictionary for each.
    """

    epoch: int = 0
    batch: int = 0
    history: list[dict[str, float]] = field(default_factory=list)


class Checkpoints(keras.callbacks.Callback):
    """Writes everything that a training changes, and puts it back.

    A checkpoint is one file, written under another name first; it holds weights, optimizer, moving
    averages, seeds, the sums behind the present epoch's curves, and the curves of the epochs before.

    Args:
        folder: For this training alone; the newest two files are kept.
        steps: Write after so many batches.
        minutes: Write after so many minutes; with both, whichever comes first.
        tell: Takes a line where a checkpoint is damaged or cannot be written; the training goes on.
        before: Called before a checkpoint is written, to finish what a resumed training will not do again.
    """

    def __init__(
        self,
        folder: Path,
        *,
        steps: int | None = None,
        minutes: float | None = None,
        tell: Callable[[str], None] = print,
        before: Callable[[], None] | None = None,
    ):
        super().__init__()
        self.folder = Path(folder)
        self.steps, self.minutes, self.tell, self.before = steps, minutes, tell, before
        #: Set it (from a signal handler, say) to have one more checkpoint, and the training ended by `Stopped`.
        self.stop_asked = False
        self.history: list[dict[str, float]] = []
        self._sums: list[np.ndarray] | None = None
        self._skipped = 0
        self._epoch = 0
        self._batch = self._steps_since = 0
        self._last = time.monotonic()

    # ---- putting back -----------------------------------------------------------------------------

    def restore(self, model: keras.Model) -> Position:
        """Puts the newest whole checkpoint into a compiled model; passes over a damaged one with a line.

        Args:
            model: Built and compiled as it was for the training that wrote the checkpoint.

        Returns:
            Where the training stands; the start where there is no checkpoint. Fit the rest of a broken-off
            epoch as an epoch of its own: `initial_epoch=epoch`, with the batches from `batch` on.
        """
        for path in self.folder.glob(f".new.{PATTERN}"):
            # What a process left that was killed; it is not taken for a checkpoint in any case.
            with contextlib.suppress(OSError):
                path.unlink()
        for path in sorted(self.folder.glob(PATTERN), reverse=True):
            variables = _state(model)
            try:
                position, values = _read(path, [tuple(each.shape) for each in variables])
            except Exception as error:  # NumPy and zipfile raise anything for a damaged file
                self.tell(
                    f"checkpoint {path} is damaged ({one_line(error)}): the one before is taken"
                )
                continue
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            if position.batch:
                # `fit` empties the curves when it begins an epoch; this one has begun already.
                self._sums = [
                    keras.ops.convert_to_numpy(variable).copy()
                    for variable in model.metrics_variables
                ]
            self.history = list(position.history)
            self._skipped = position.batch
            return position
        return Position()

    # ---- writing ----------------------------------------------------------------------------------

    def on_epoch_begin(self, epoch, logs=None):
        """Puts the sums of a broken-off epoch back."""
        self._epoch, self._batch = epoch, 0
        if self._sums is not None:
            for variable, value in zip(self.model.metrics_variables, self._sums, strict=True):
                variable.assign(value)
            self._sums = None

    def on_train_batch_begin(self, batch, logs=None):
        """Writes a checkpoint if one is due.

        Not at the end of a batch: Keras would then fetch the curves from the device after each.
        """
        # With `steps_per_execution` there are several batches between two calls.
        self._steps_since += batch - self._batch
        self._batch = batch
        if batch:
            self._maybe(self._epoch, self._skipped + batch)
        elif self.stop_asked:
            self._maybe(self._epoch, self._skipped)

    def on_epoch_end(self, epoch, logs=None):
        """Adds to the history, and writes a checkpoint if one is due."""
        self.history.append({name: float(value) for name, value in (logs or {}).items()})
        self._skipped = 0
        self._steps_since += (self.params.get("steps") or self._batch + 1) - self._batch
        self._maybe(epoch + 1, 0)

    def _maybe(self, epoch: int, batch: int) -> None:
        due = self.steps is not None and self._steps_since >= self.steps
        due |= self.minutes is not None and time.monotonic() - self._last >= 60.0 * self.minutes
        if due or self.stop_asked:
            self.write(Position(epoch, batch, self.history))
        if self.stop_asked:
            raise Stopped(f"stopped after {epoch} epochs and {batch} batches")

    def write(self, position: Position) -> bool:
        """Writes a checkpoint of the present state; tells in a line why not, where it cannot.

        Args:
            position: Where the training stands.

        Returns:
            Whether it was written.
        """
        if self.before is not None:
            self.before()
        self._steps_since, self._last = 0, time.monotonic()
        self.model.sync_state()
        values = [keras.ops.convert_to_numpy(variable) for variable in _state(self.model)]
        about = {
            "epoch": position.epoch,
            "batch": position.batch,
            "history": position.history,
            "values": len(values),
        }
        arrays: dict[str, Any] = {f"value_{index}": value for index, value in enumerate(values)}
        arrays["about"] = np.frombuffer(json.dumps(about).encode(), "uint8")
        path = self.folder / f"checkpoint_{position.epoch:08d}_{position.batch:08d}.npz"
        temporary = self.folder / f".new.{path.name}"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with temporary.open("wb") as file:
                np.savez(file, **arrays)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            full = error.errno == errno.ENOSPC
            reason = "the disk is full: free some space" if full else error.strerror or str(error)
            self.tell(f"no checkpoint was written to {self.folder} ({reason}); training goes on")
            return False
        for old in sorted(self.folder.glob(PATTERN))[:-KEPT]:
            old.unlink(missing_ok=True)
        return True


class Stopped(KeyboardInterrupt):
    """The training was asked to stop, and wrote a checkpoint before it did."""


def _read(path: Path, shapes: list[tuple[int, ...]]) -> tuple[Position, list[np.ndarray]]:
    """A checkpoint's position and values; nothing else was touched if it raises."""
    reading.check_file(path)
    with np.load(path, allow_pickle=False) as file:
        # An array is read no further than its header says, and the checksum is that of all of it.
        damaged = file.zip.testzip()
        if damaged is not None:
            raise ValueError(f"{damaged} does not have its checksum")
        about = json.loads(bytes(file["about"]))
        position = Position(about["epoch"], about["batch"], about["history"])
        values = [file[f"value_{index}"] for index in range(about["values"])]
    counts = (position.epoch, position.batch)
    if not all(isinstance(each, int) and each >= 0 for each in counts):
        raise ValueError("it does not say where the training stands")
    if not isinstance(position.history, list) or not all(map(_is_row, position.history)):
        raise ValueError("its curves are not numbers")
    if [value.shape for value in values] != shapes:
        raise ValueError("it is of another model")
    return position, values


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and all(isinstance(each, float) for each in row.values())


def _state(model: keras.Model) -> list[keras.Variable]:
    variables = [*model.variables, *model.metrics_variables, *model.optimizer.variables]
    return list({id(variable): variable for variable in variables}.values())
