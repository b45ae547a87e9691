"""Callbacks for `fit`."""

from gm_keras.callbacks.grids import SampleGrids
from gm_keras.callbacks.nan import NotFiniteError, StopOnNaN

__all__ = ["NotFiniteError", "SampleGrids", "StopOnNaN"]
