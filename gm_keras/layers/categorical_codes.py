"""Latents that stand for classes (Chen et al. 2016, arXiv 1606.03657)."""

import keras
from keras import ops


def class_of(values, classes):
    """The class of each value in [-1, 1], all of them equally wide: int32 of the same shape."""
    places = ops.floor(0.5 * (ops.cast(values, "float32") + 1.0) * classes)
    return ops.cast(ops.clip(places, 0, classes - 1), "int32")


@keras.saving.register_keras_serializable("gm_keras")
class CategoricalCodes(keras.layers.Layer):
    """Turns the first latents, each uniform in [-1, 1], into one-hot classes, all equally probable.

    Args:
        codes: How many of the latents are classes.
        classes: Of each.
    """

    def __init__(self, codes, classes, **options):
        # In 16 bits a value near the edge of a class would come to lie in the next one.
        super().__init__(**{"autocast": False, **options})
        self.codes = codes
        self.classes = classes

    def call(self, inputs):
        """Maps `(batch, latents)` to `(batch, codes * classes + latents - codes)`."""
        chosen = class_of(inputs[:, : self.codes], self.classes)
        one_hot = ops.one_hot(chosen, self.classes, dtype=self.compute_dtype)
        one_hot = ops.reshape(one_hot, (-1, self.codes * self.classes))
        others = ops.cast(inputs[:, self.codes :], self.compute_dtype)
        return ops.concatenate([one_hot, others], axis=-1)

    def compute_output_shape(self, input_shape):
        return (input_shape[0], input_shape[1] + self.codes * (self.classes - 1))

    def get_config(self):
        return {**super().get_config(), "codes": self.codes, "classes": self.classes}
