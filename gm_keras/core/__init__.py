"""The training core: phases, optimizers, and the base class of every model."""

from gm_keras.core.autoencoder import AutoencoderMixin
from gm_keras.core.latents import LatentsMixin
from gm_keras.core.model import GenerativeModel
from gm_keras.core.optimizers import OptimizerGroup
from gm_keras.core.phase import Phase

__all__ = ["AutoencoderMixin", "GenerativeModel", "LatentsMixin", "OptimizerGroup", "Phase"]
