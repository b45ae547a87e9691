"""Affine coupling layers (Dinh et al. 2017, arXiv 1605.08803, sections 3.2 to 3.4)."""

from typing import Any

import keras
import numpy as np
from keras import ops

from gm_keras.layers.bijector import Bijector, sum_per_example


class AffineCoupling(Bijector):
    """Scales and shifts one part of its input by functions of the other part, which it keeps.

    The logarithm of the scale is `rescale * tanh(...)` with a learned `rescale` for each channel, so
    that no output of the network, however large, overflows the exponential.

    Args:
        network: A built model from the kept part to log-scale and shift: twice as many channels as
            the layer changes.
        flip: Which of the two parts is kept; alternate it from coupling to coupling.
    """

    def __init__(self, network: keras.Model, flip: bool = False, **options):
        super().__init__(**options)
        self.network = network
        self.flip = bool(flip)

    def build(self, input_shape):
        self.rescale = self.add_weight(
            shape=(self.network.output_shape[-1] // 2,), initializer="ones", name="rescale"
        )
        self.built = True

    def scale_and_shift(self, inputs: Any, training: bool) -> tuple[Any, Any]:
        """The log-scale and the shift, of the shape of `inputs`, zero where the input is kept."""
        raise NotImplementedError(f"{type(self).__name__} must define scale_and_shift()")

    def parameters_of(self, kept: Any, training: bool) -> tuple[Any, Any]:
        """Runs the network: the log-scale and the shift of what the layer changes."""
        outputs = ops.cast(self.network(kept, training=training), "float32")
        raw_scale, shift = ops.split(outputs, 2, axis=-1)
        return self.rescale * ops.tanh(raw_scale), shift

    def transform(self, inputs, training):
        log_scale, shift = self.scale_and_shift(inputs, training)
        return inputs * ops.exp(log_scale) + shift, sum_per_example(log_scale)

    def invert(self, inputs):
        # The kept part is the same in the outputs, so the same parameters come out of it.
        log_scale, shift = self.scale_and_shift(inputs, training=False)
        return (inputs - shift) * ops.exp(-log_scale), -sum_per_example(log_scale)

    def get_config(self):
        network = keras.saving.serialize_keras_object(self.network)
        return {**super().get_config(), "network": network, "flip": self.flip}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        network = keras.saving.deserialize_keras_object(
            config["network"], custom_objects=custom_objects
        )
        return cls(**{**config, "network": network})


@keras.saving.register_keras_serializable("gm_keras")
class CheckerboardCoupling(AffineCoupling):
    """Keeps every other value: the pixels of one colour of a checkerboard, or every other feature."""

    def build(self, input_shape):
        super().build(input_shape)
        positions = input_shape[1:3] if len(input_shape) == 4 else input_shape[1:]
        kept = (np.indices(positions).sum(axis=0) % 2 == int(self.flip)).astype("float32")
        self._kept = kept[None, ..., None] if len(input_shape) == 4 else kept[None]

    def scale_and_shift(self, inputs, training):
        kept = ops.convert_to_tensor(self._kept)
        log_scale, shift = self.parameters_of(inputs * kept, training)
        return log_scale * (1.0 - kept), shift * (1.0 - kept)


@keras.saving.register_keras_serializable("gm_keras")
class ChannelCoupling(AffineCoupling):
    """Keeps one half of the channels, which must be even in number."""

    def scale_and_shift(self, inputs, training):
        kept = ops.split(inputs, 2, axis=-1)[int(self.flip)]
        log_scale, shift = self.parameters_of(kept, training)
        none = ops.zeros_like(kept)

        def beside_kept(values):
            return ops.concatenate([values, none] if self.flip else [none, values], axis=-1)

        return beside_kept(log_scale), beside_kept(shift)
