"""Looking into a trained model: its latents, its way to a sample, its neighbours in the training set."""

from gm_keras.exploration.album import write_pictures
from gm_keras.exploration.attributes import Attributes, class_attributes
from gm_keras.exploration.neighbours import nearest
from gm_keras.exploration.scene import Picture, Scene

__all__ = ["Attributes", "Picture", "Scene", "class_attributes", "nearest", "write_pictures"]
