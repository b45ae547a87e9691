"""What flows share: the density that an invertible network gives, discrete images, codes that lose nothing."""

import math

import keras
from keras import ops

from gm_keras.core import AutoencoderMixin, DensityMixin, GenerativeModel, LatentsMixin, Phase
from gm_keras.core.levels import LevelsMixin
from gm_keras.distributions import normal
from gm_keras.types import NonNegativeFloat


class Flow(LevelsMixin, DensityMixin, AutoencoderMixin, LatentsMixin, GenerativeModel):
    """An invertible network from examples to latents with a standard normal prior.

    A constructor builds `flow`, which gives latents `(batch, size)` and the logarithm of the Jacobian's determinant,
    `encoder`, its first output alone, and `decoder`, its inverse; and sets `levels` and `size`, the number of values
    of an example.
    """

    offers = frozenset({"sampler", "density", "autoencoder", "latents", "invertible"})

    size: int

    @property
    def continuous(self) -> bool:
        return True

    def setup(self, logs=()):
        """As for every model; images with levels have a curve of their bits per dimension besides."""
        super().setup((*logs, "bits_per_dim") if self.levels else logs)

    def phases(self):
        return [Phase("nll", self._loss, (self.flow,))]

    def inference_networks(self):
        return {"encoder": self.encoder, "decoder": self.decoder}

    # ---- likelihoods ------------------------------------------------------------------------------

    def _loss(self, batch, training):
        x = self._dequantized(batch[self.data_field], self.seed_generator)
        nats = -ops.mean(self._log_density(x, training))
        if self.levels:
            self.log("bits_per_dim", nats / (self.size * math.log(2.0)))
        return nats

    def _on_levels(self, x):
        """The number, 0 to levels - 1, of the level that is nearest to each value."""
        return ops.clip(ops.round((x + 1.0) / self._level_width), 0.0, self.levels - 1.0)

    def _dequantized(self, x, seed):
        if self._fills_cells:
            return self._cell_noise(x, seed)
        if not self.levels:
            return x
        noise = self._level_noise(ops.shape(x), seed)
        return (self._on_levels(x) + noise) * self._level_width - 1.0

    def _log_density(self, x, training=False):
        latents, log_det = self.flow(x, training=training)
        log_density = ops.sum(normal.log_prob(latents), axis=-1) + log_det
        if self.levels:  # the density times the volume of the cell that the noise fills
            log_density = log_density + self.size * math.log(self._level_width)
        if self._fills_cells:
            log_density = log_density + self._log_cells
        return log_density

    def _log_prob(self, x, random, conditions):
        return self._log_density(self._dequantized(x, random.next()))

    # ---- latents and samples ----------------------------------------------------------------------

    def _encode(self, x, conditions):
        return self.encoder(x, training=False)

    def _decode(self, latents, conditions):
        return self.decoder(latents, training=False)

    def _draw_latents(self, n, seed):
        return keras.random.normal((n, self.size), seed=seed)

    def sample_batch(self, n, random, conditions, *, temperature: NonNegativeFloat = 1.0):
        """Decodes draws from the prior; images with `levels` lie on them.

        Args:
            n: How many.
            random: The stream of seeds.
            conditions: None: this model is told nothing.
            temperature: Standard deviation of the prior; below 1 the samples are nearer to the most
                probable ones than the density that was learned.
        """
        latents = temperature * self._draw_latents(n, random.next())
        x = self._decode(latents, conditions)
        return self._on_levels(x) * self._level_width - 1.0 if self.levels else x
