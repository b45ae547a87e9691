"""Callbacks for `fit`."""

from gm_keras.callbacks.grids import SampleGrids
from gm_keras.callbacks.nan import NotFinite, StopOnNaN

__all__ = ["NotFinite", "SampleGrids", "StopOnNaN"]
