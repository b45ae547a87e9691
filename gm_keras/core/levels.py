"""What the values of an example are to a likelihood: black or white, brightness, grey levels, or real numbers."""

import keras
from keras import ops

NOISE = "uniform noise of one grey level, one draw for each image"


class LevelsMixin:
    """For models with an argument `levels`: how many grey levels the data have, None for continuous data.

    Where `binarize` is set, each value is drawn as black or white with its brightness as probability. Where the
    likelihood is a density (`continuous`) and the data have levels, noise fills each level, so that the nats are
    those of the discrete data.
    """

    levels: int | None = None
    binarize: bool = False

    @property
    def continuous(self) -> bool:
        """Whether the likelihood is a density of real numbers; else values are probabilities of bits."""
        return False

    @property
    def nats_of(self) -> str:
        """What likelihoods are of: "discrete" data, a "density", or a "relaxed" Bernoulli."""
        if self.continuous:
            return "discrete" if self.levels else "density"
        return "discrete" if self.binarize or self.levels == 2 else "relaxed"

    @property
    def data_range(self) -> tuple[float, float] | None:
        return None if self.continuous and not self.levels else super().data_range

    @property
    def dequantization(self) -> str | None:
        """What is added to discrete images, so that the nats are theirs; None if nothing is."""
        return NOISE if self.continuous and self.levels else None

    @property
    def _level_width(self):
        return 2.0 / (self.levels - 1)

    def _level_noise(self, shape, seed):
        """Noise that fills one grey level, in levels."""
        return keras.random.uniform(shape, -0.5, 0.5, seed=seed)

    def _as_modelled(self, x, seed):
        """Examples as the likelihood sees them, still around [-1, 1]: drawn as black or white, or with noise."""
        x = ops.cast(x, "float32")
        if self.binarize:
            uniform = keras.random.uniform(ops.shape(x), seed=seed)
            return 2.0 * ops.cast(uniform < 0.5 * (x + 1.0), "float32") - 1.0
        if self.dequantization:
            return x + self._level_width * self._level_noise(ops.shape(x), seed)
        return x
