"""Stops a training whose numbers are no longer numbers."""

import math
from pathlib import Path

import keras


class NotFiniteError(ArithmeticError):
    """A loss became NaN or infinite."""


class StopOnNaN(keras.callbacks.Callback):
    """Ends the training with an error when a curve is not finite, and keeps the last good weights.

    Args:
        path: Where the weights of the last good epoch are kept (`.weights.h5`); removed when the
            training ends well.
    """

    def __init__(self, path: Path):
        super().__init__()
        self.path = Path(path)

    def on_epoch_end(self, epoch, logs=None):
        """Checks the curves; `NotFiniteError` names the first one that is not finite."""
        for name, value in (logs or {}).items():
            if not math.isfinite(float(value)):
                kept = f"the weights of epoch {epoch} are kept in {self.path}"
                raise NotFiniteError(
                    f"{name} became {float(value)} in epoch {epoch + 1}: lower the learning rate; "
                    + (kept if self.path.exists() else "there was no good epoch before it")
                )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        temporary = self.path.with_name(f"new.{self.path.name}")
        self.model.save_weights(temporary)
        temporary.replace(self.path)

    def on_train_end(self, logs=None):
        """Removes the copy: the training ended well, and its weights are saved as its output."""
        self.path.unlink(missing_ok=True)
