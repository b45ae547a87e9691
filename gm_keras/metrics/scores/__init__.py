"""The scores of the pipeline; importing this package registers them."""

from gm_keras.metrics.scores import classes, likelihoods, pairs, samples, tables

__all__ = ["classes", "likelihoods", "pairs", "samples", "tables"]
