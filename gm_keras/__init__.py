"""gm_keras: deep generative models as Keras 3 classes that do not know their backend.

Importing the package registers every model class with Keras, so that
`keras.saving.load_model("model.keras")` needs nothing else.
"""

from gm_keras import registry
from gm_keras.core import GenerativeModel, OptimizerGroup, Phase

__version__ = "0.1.0"
__all__ = ["GenerativeModel", "OptimizerGroup", "Phase", "registry"]
