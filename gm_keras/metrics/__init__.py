"""Scores of generative models: functions on NumPy arrays."""

from gm_keras.metrics.distances import frechet_distance
from gm_keras.metrics.likelihood import bits_per_dim
from gm_keras.metrics.manifold import precision_recall

__all__ = ["bits_per_dim", "frechet_distance", "precision_recall"]
