"""Conditional batch normalization (Dumoulin et al. 2017, arXiv 1610.07629; de Vries et al. 2017, arXiv 1707.00683)."""

import keras

from gm_keras.layers.dense import Dense
from gm_keras.layers.initializers import HostOrthogonal
from gm_keras.layers.spectral_normalization import SpectralNormalization


@keras.saving.register_keras_serializable("gm_keras")
class ConditionalBatchNormalization(keras.layers.Layer):
    """Batch normalization whose scale and shift are linear in what the layer is told of each example.

    Of a one-hot class each class has a scale and a shift of its own. Statistics are those of the whole batch.

    Args:
        spectral: Whether the two linear maps are spectrally normalized, as in BigGAN; they then start orthogonal.
            Otherwise they start at zero: scale 1 and shift 0 for all.
        momentum: Weight of the past in the moving averages.
        epsilon: Added to the variance.
    """

    def __init__(self, spectral=False, momentum=0.9, epsilon=1e-5, **options):
        super().__init__(**options)
        self.spectral = spectral
        self.momentum = momentum
        self.epsilon = epsilon

    def build(self, input_shape):
        values, conditions = input_shape
        # Sub-layers have the policy of this one, also where it is not the global one.
        self.normalization = keras.layers.BatchNormalization(
            momentum=self.momentum,
            epsilon=self.epsilon,
            center=False,
            scale=False,
            dtype=self.dtype_policy,
            name="normalization",
        )
        self.scale = self._linear(values[-1], "scale")
        self.shift = self._linear(values[-1], "shift")
        self.normalization.build(values)
        self.scale.build(conditions)
        self.shift.build(conditions)
        super().build(input_shape)

    def _linear(self, units, name):
        dense = Dense(
            units,
            use_bias=False,
            kernel_initializer=HostOrthogonal() if self.spectral else "zeros",
            dtype=self.dtype_policy,
            name=name,
        )
        if not self.spectral:
            return dense
        return SpectralNormalization(dense, dtype=self.dtype_policy, name=f"normalized_{name}")

    def call(self, inputs, training=False):
        """Maps values `(batch, height, width, channels)` and conditions `(batch, size)` to the shape of the values."""
        values, conditions = inputs
        values = self.normalization(values, training=training)
        scale, shift = (
            each(conditions, training=training)[:, None, None] for each in (self.scale, self.shift)
        )
        return values * (1.0 + scale) + shift

    def compute_output_shape(self, input_shape):
        return input_shape[0]

    def get_config(self):
        return {
            **super().get_config(),
            "spectral": self.spectral,
            "momentum": self.momentum,
            "epsilon": self.epsilon,
        }
