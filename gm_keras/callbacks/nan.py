"""Stops a training that has diverged: what it ends with is no model."""

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

import keras
import numpy as np

from gm_keras.telling import one_line, tell
from gm_keras.weights_file import save_weights

#: A curve may climb to so many times what it was in its first epoch ...
FACTOR = 1e6
#: ... which counts as at least the one (losses of GANs begin near zero) and at most the other: then it had
#: diverged within the first epoch.
LEAST, MOST = 1.0, 1e6
#: No weight of a network that computes in float32 is useful beyond.
LARGEST_WEIGHT = 1e12


class NotFiniteError(ArithmeticError):
    """A training diverged: a loss or a weight is no number, or larger than what there is a way back from."""


class StopOnNaN(keras.callbacks.Callback):
    """Ends a training with an error when it diverges, and keeps the last good weights.

    It has diverged when a curve or a weight is not finite, when a curve of the training data is a million times
    as large (of either sign) as in its first epoch, or when a weight is beyond 1e12. Losses may be negative,
    begin near zero, or climb for a while; curves of validation data may leap, and have to be finite only.

    Args:
        path: Where the weights of the last good epoch are kept (`.weights.h5`); removed when the
            training ends well.
        advice: What the error says to do.
    """

    def __init__(self, path: Path, advice: str = "lower the learning rate"):
        super().__init__()
        self.path = Path(path)
        self.advice = advice
        self._first: dict[str, float] = {}

    def begin(self, history: Iterable[Mapping[str, float]] = ()) -> None:
        """Starts anew what curves are compared with, at each stage of a training.

        Args:
            history: The epochs of this stage so far, where a training goes on from a checkpoint.
        """
        self._first = {}
        for row in history:
            self._remember(row)

    def _remember(self, row: Mapping[str, float]) -> None:
        for name, value in row.items():
            self._first.setdefault(name, min(max(abs(float(value)), LEAST), MOST))

    def on_epoch_end(self, epoch, logs=None):
        """Checks curves and weights; `NotFiniteError` names the first that shows that the training diverged."""
        logs = {name: float(value) for name, value in (logs or {}).items()}
        self._remember(logs)
        for name, value in logs.items():
            if not math.isfinite(value):
                self._stop(f"{name} became {value}", epoch)
            if not name.startswith("val_") and abs(value) > FACTOR * self._first[name]:
                self._stop(f"{name} became {value:.3g}, which no training comes back from,", epoch)
        self._check_weights(epoch)
        temporary = self.path.with_name(f"new.{self.path.name}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            save_weights(self.model, temporary)
            temporary.replace(self.path)
        except OSError as error:  # a full disk, above all: there is one copy less to go back to
            tell(
                f"the weights of epoch {epoch + 1} are not kept ({one_line(error)}); training goes on"
            )

    def on_train_end(self, logs=None):
        """Checks the weights that the training ends with, and removes the copy of them."""
        self._check_weights(None)
        self.path.unlink(missing_ok=True)

    def _check_weights(self, epoch: int | None) -> None:
        # On JAX the variables are behind while `fit` runs.
        self.model.sync_state()
        for variable in self.model.variables:
            if not keras.backend.is_float_dtype(variable.dtype):
                continue
            values = keras.ops.convert_to_numpy(variable).astype("float32", copy=False)
            largest = float(np.max(np.abs(values), initial=0.0))  # NaN where one is
            if not math.isfinite(largest) or (variable.trainable and largest > LARGEST_WEIGHT):
                self._stop(f"the weight {variable.path} became {largest:.3g}", epoch)

    def _stop(self, what: str, epoch: int | None) -> None:
        when = "at the end" if epoch is None else f"in epoch {epoch + 1}"
        if not self.path.exists():
            kept = "there was no good epoch before it"
        elif epoch is None:
            kept = f"the weights of the last epoch are kept in {self.path}"
        else:
            kept = f"the weights of epoch {epoch} are kept in {self.path}"
        raise NotFiniteError(f"{what} {when}: {self.advice}; {kept}")
