"""Grids whose values are predicted one after the other: likelihoods from logits, and samples value by value."""

import math
from collections.abc import Mapping
from typing import Any

from keras import ops

from gm_keras.core import DensityMixin, GenerativeModel, Phase
from gm_keras.decoding.images import codes_to_values, network_input, sample_codes, values_to_codes
from gm_keras.distributions import categorical
from gm_keras.types import Flag, Mass, NonNegativeFloat, PositiveInt


class GridMixin:
    """For a model whose `network` gives the logits `(batch, height, width, channels, levels)` of a grid of codes.

    The logits of each value, in raster order, channel by channel, depend on those before it alone. The network takes
    the codes, or the grey levels that they stand for, and what the model is told.
    """

    def _log_prob_of_grid(self, codes, conditions, training=False):
        """log p of codes `(batch, height, width, channels)`: `(batch,)`, in nats."""
        inputs = self.with_told(conditions, network_input(self.network, codes))
        logits = self.network(inputs, training=training)
        return ops.sum(categorical.log_prob(codes, logits), axis=(1, 2, 3))

    def _draw_grid(self, n: int, random: Any, conditions: Mapping[str, Any], **options: Any) -> Any:
        """Draws codes `(n, height, width, channels)`; the options are those of `sample_batch`."""
        return sample_codes(self.network, n, random, conditions, **options)

    def _of_grid(self, codes: Any) -> Any:
        """The examples of codes."""
        raise NotImplementedError(f"{type(self).__name__} must define _of_grid()")

    def sample_batch(
        self,
        n,
        random,
        conditions,
        *,
        temperature: NonNegativeFloat = 1.0,
        top_k: PositiveInt | None = None,
        top_p: Mass | None = None,
        cached: Flag = True,
    ):
        """Draws the values one after the other, in raster order, all inside one compiled loop.

        Args:
            n: How many.
            random: The stream of seeds.
            conditions: The label, for models with classes.
            temperature: Divides the logits: below 1 samples are more probable and less varied.
            top_k: Draw each value among its so many most probable ones only.
            top_p: Draw each value among the most probable ones that make up this probability only.
            cached: False runs the whole network for each value: slow, and the same samples.
        """
        options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "cached": cached}
        return self._of_grid(self._draw_grid(n, random, conditions, **options))


class AutoregressiveModel(GridMixin, DensityMixin, GenerativeModel):
    """Images with few or many grey levels, with an exact likelihood; each value is taken for the nearest level.

    A constructor builds `network`, as `GridMixin` has it, and sets `levels`.
    """

    offers = frozenset({"sampler", "density"})
    nats_of = "discrete"

    levels: int

    def setup(self, logs=()):
        """As for every model, with a curve of the bits per dimension besides."""
        super().setup((*logs, "bits_per_dim"))

    def phases(self):
        return [Phase("nll", self._loss, (self.network,))]

    def inference_networks(self):
        return {"network": self.network}

    def _loss(self, batch, training):
        conditions = self.told_in(batch, training)
        nats = -ops.mean(self._log_prob(batch[self.data_field], None, conditions, training))
        size = math.prod(self.data_shape)
        self.log("bits_per_dim", nats / (size * math.log(2.0)))
        # In nats for each value: what a learning rate fits does not depend on the size of the images.
        return nats / size

    def _log_prob(self, x, random, conditions, training=False):
        del random
        return self._log_prob_of_grid(values_to_codes(x, self.levels), conditions, training)

    def _of_grid(self, codes):
        return codes_to_values(codes, self.levels)
