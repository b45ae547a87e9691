"""The scores of the pipeline; importing this package registers them."""

from gm_keras.metrics.scores import likelihoods, pairs, samples, tables

__all__ = ["likelihoods", "pairs", "samples", "tables"]
