"""A Keras callback that puts the curves of a training into its MLflow run.

A callback of ours and not MLflow's autologging, which replaces Keras' `fit` and follows its releases
late.
"""

from typing import Any

import keras

from pipelines.tracking import Run


class MlflowCallback(keras.callbacks.Callback):
    """Writes the logs of each epoch to a run.

    Args:
        run: The run of this training.
    """

    def __init__(self, run: Run):
        super().__init__()
        self.run = run

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Adds a point to each curve; epochs are counted from 1."""
        self.run.log_epoch(epoch + 1, logs or {})
