"""The Inception network of published scores, and its weights."""

from gm_keras.metrics.inception.extractor import Inception

__all__ = ["Inception"]
