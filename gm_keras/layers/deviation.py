"""One standard deviation for everything, learned."""

import keras
from keras import ops

# Adam moves a weight by about its learning rate in a step, however steep the loss. A network's weights are small and many;
# this one is alone and must cross a range of several units, so its steps are made longer.
_SPEED = 10.0


@keras.saving.register_keras_serializable("gm_keras")
class GlobalDeviation(keras.layers.Layer):
    """Holds one positive number, the standard deviation of a likelihood.

    Args:
        initial: The value at the start, in the units of the data.
    """

    def __init__(self, initial: float = 0.3, **options):
        super().__init__(**{**options, "dtype": "float32"})
        self.initial = initial
        self.log_ratio = self.add_weight(shape=(), initializer="zeros", name="log_ratio")
        self.built = True

    def value(self):
        """The deviation: a scalar, float32."""
        return self.initial * ops.exp(_SPEED * ops.convert_to_tensor(self.log_ratio))

    def get_config(self):
        return {**super().get_config(), "initial": self.initial}
