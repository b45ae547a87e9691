"""The training core: phases, optimizers, conditions, and the base class of every model."""

from gm_keras.core.autoencoder import AutoencoderMixin
from gm_keras.core.classifier import ClassifierMixin
from gm_keras.core.conditions import Condition
from gm_keras.core.latents import LatentsMixin
from gm_keras.core.likelihoods import BoundMixin, DensityMixin
from gm_keras.core.model import GenerativeModel
from gm_keras.core.optimizers import OptimizerGroup
from gm_keras.core.phase import Phase
from gm_keras.core.translation import TranslatorMixin

__all__ = [
    "AutoencoderMixin",
    "BoundMixin",
    "ClassifierMixin",
    "Condition",
    "DensityMixin",
    "GenerativeModel",
    "LatentsMixin",
    "OptimizerGroup",
    "Phase",
    "TranslatorMixin",
]
