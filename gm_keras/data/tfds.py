"""TFDS for whatever reads it: where it is not installed, one line says how to install it."""

from gm_keras import extras

extras.need("tfds")

import tensorflow_datasets as tfds  # noqa: E402 (only where it is installed)
from tensorflow_datasets.core.download import resource  # noqa: E402

__all__ = ["resource", "tfds"]
