"""Callbacks for `fit`."""

from gm_keras.callbacks.checkpoints import Checkpoints, Position, Stopped
from gm_keras.callbacks.grids import SampleGrids
from gm_keras.callbacks.nan import NotFiniteError, StopOnNaN

__all__ = ["Checkpoints", "NotFiniteError", "Position", "SampleGrids", "StopOnNaN", "Stopped"]
