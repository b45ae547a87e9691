"""Prepared data sets: arrays on disk, and batches of them.

Only what training needs is imported here; what fills the disk (`builders`, `folder`, ...) is
imported by `pipelines.prepare`.
"""

from gm_keras.data.batches import Batches
from gm_keras.data.prepared import PreparedData

__all__ = ["Batches", "PreparedData"]
