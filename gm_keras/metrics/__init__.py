"""Scores of generative models: functions on NumPy arrays."""

from gm_keras.metrics.classification import accuracy, inception_score
from gm_keras.metrics.discrepancy import kernel_distance, mmd
from gm_keras.metrics.distances import frechet_distance
from gm_keras.metrics.estimate import Estimate, TooFewSamples
from gm_keras.metrics.likelihood import bits_per_dim
from gm_keras.metrics.manifold import density_coverage, precision_recall
from gm_keras.metrics.memorization import authenticity
from gm_keras.metrics.mixture import mode_coverage
from gm_keras.metrics.similarity import ms_ssim, ms_ssim_setting, psnr, ssim
from gm_keras.metrics.transport import sliced_wasserstein

__all__ = [
    "Estimate",
    "TooFewSamples",
    "accuracy",
    "authenticity",
    "bits_per_dim",
    "density_coverage",
    "frechet_distance",
    "inception_score",
    "kernel_distance",
    "mmd",
    "mode_coverage",
    "ms_ssim",
    "ms_ssim_setting",
    "precision_recall",
    "psnr",
    "sliced_wasserstein",
    "ssim",
]
