"""Variational autoencoder (Kingma & Welling 2014, "Auto-Encoding Variational Bayes", arXiv 1312.6114).

Differences from the paper: Adam instead of Adagrad; convolutional networks besides the paper's dense ones; ReLU
instead of tanh; labels (as in Sohn et al. 2015); grey images are binarized anew in each step where `binarize` is
set (as in Burda et al. 2016); the Gaussian likelihood adds uniform noise of one grey level to discrete images, and to
the discrete columns of tables, so that its bound holds for the discrete data.
"""

import math
from typing import Literal

import keras
from keras import ops

from gm_keras.core import AutoencoderMixin, BoundMixin, GenerativeModel, LatentsMixin, Phase
from gm_keras.core.importance import ImportanceMixin
from gm_keras.distributions import normal
from gm_keras.models.latent.base import LikelihoodMixin
from gm_keras.networks.convolutional import convolutional_decoder, convolutional_encoder
from gm_keras.networks.dense import dense
from gm_keras.types import (
    Categories,
    Cells,
    FilterList,
    Flag,
    Levels,
    Shape,
    Width,
    Widths,
)


@keras.saving.register_keras_serializable("gm_keras")
class VAE(
    LikelihoodMixin, BoundMixin, ImportanceMixin, AutoencoderMixin, LatentsMixin, GenerativeModel
):
    """Variational autoencoder with a Bernoulli or Gaussian likelihood, convolutional or dense.

    Args:
        image_shape: Shape of one example: (height, width, channels), or (features,) with dense networks.
        latent_dim: Number of latent variables.
        network: "convolutional" or "dense".
        units: Widths of the dense layers; the convolutional networks use the first one.
        filters: Of the convolutional stages; each halves the image while its size is even.
        likelihood: "bernoulli" (images, read as probabilities) or "gaussian" (mean and variance learned).
        binarize: Draw each pixel as 0 or 1 with its brightness as probability, anew in each step.
        levels: Number of grey levels of the data, or None for continuous data.
        cells: Vectors with the Gaussian likelihood: for each feature the width of what belongs to one of its discrete
            values, which noise fills in each step; 0 for real numbers. A table knows its own.
        num_classes: Condition encoder and decoder on a label of so many classes.
    """

    offers = frozenset({"sampler", "bound", "autoencoder", "latents"})

    def __init__(
        self,
        image_shape: Shape,
        latent_dim: Width = 16,
        network: Literal["convolutional", "dense"] = "convolutional",
        units: Widths = (256,),
        filters: FilterList = (32, 64),
        likelihood: Literal["bernoulli", "gaussian"] = "bernoulli",
        binarize: Flag = False,
        levels: Levels | None = None,
        cells: Cells | None = None,
        num_classes: Categories | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        if network == "convolutional" and len(image_shape) != 3:
            raise ValueError('network must be "dense" for vectors, not "convolutional"')
        if binarize and likelihood != "bernoulli":
            raise ValueError('binarize needs likelihood="bernoulli"')

        # ---- networks ----
        outputs = 1 if likelihood == "bernoulli" else 2
        size, classes = math.prod(image_shape), {"num_classes": num_classes}
        if network == "dense":
            self.encoder = dense(image_shape, units, 2 * latent_dim, **classes, name="encoder")
            self.decoder = dense(
                (latent_dim,),
                units[::-1],
                outputs * size,
                **classes,
                name="decoder",
            )
        else:
            self.encoder = convolutional_encoder(
                image_shape, filters, units[0], 2 * latent_dim, **classes, name="encoder"
            )
            self.decoder = convolutional_decoder(
                latent_dim,
                filters,
                units[0],
                image_shape,
                outputs * image_shape[-1],
                **classes,
                name="decoder",
            )

        # ---- config ----
        self.latent_dim = latent_dim
        self.likelihood = likelihood
        self.binarize = binarize
        self.levels = levels
        self.cells = cells
        self.num_classes = num_classes
        self._check_cells(image_shape)
        self.setup(logs=("reconstruction", "kl"))

    def phases(self):
        return [Phase("elbo", self._loss, (self.encoder, self.decoder))]

    def inference_networks(self):
        return {"encoder": self.encoder, "decoder": self.decoder}

    def _loss(self, batch, training):
        x = self._as_modelled(batch[self.data_field], self.seed_generator)
        conditions = self.told_in(batch, training)
        reconstruction, kl = self._bound(x, conditions, self.seed_generator, training)
        self.log("reconstruction", -reconstruction)
        self.log("kl", kl)
        return ops.mean(kl - reconstruction)

    def _bound(self, x, conditions, seed, training=False):
        """The two terms of the bound, in nats: log p(x | z) and KL(q(z | x) || p(z)), each `(batch,)`."""
        mean, log_variance = self._posterior(x, conditions, training)
        noise = keras.random.normal(ops.shape(mean), seed=seed)
        latents = mean + ops.exp(0.5 * log_variance) * noise
        kl = ops.sum(normal.kl_to_standard(mean, log_variance), axis=-1)
        return self._log_likelihood(x, latents, conditions, training), kl

    def _posterior(self, x, conditions, training=False):
        moments = self.encoder(self.with_told(conditions, x), training=training)
        return ops.split(ops.cast(moments, "float32"), 2, axis=-1)

    def _decoded(self, latents, conditions, training=False):
        outputs = self.decoder(self.with_told(conditions, latents), training=training)
        return self._likelihood_parameters(outputs)

    def _log_likelihood(self, x, latents, conditions, training=False):
        return self._log_likelihood_of(x, self._decoded(latents, conditions, training))

    def _elbo(self, x, random, conditions):
        reconstruction, kl = self._bound(
            self._as_modelled(x, random.next()), conditions, random.next()
        )
        return reconstruction - kl

    def _log_weights(self, x, random, conditions, draws):
        x = self._as_modelled(x, random.next())
        mean, log_variance = self._posterior(x, conditions)

        def log_weight(index):
            noise = keras.random.normal(ops.shape(mean), seed=random.at(index))
            latents = mean + ops.exp(0.5 * log_variance) * noise
            log_prior = ops.sum(normal.log_prob(latents), axis=-1)
            log_posterior = ops.sum(normal.log_prob(latents, mean, log_variance), axis=-1)
            return self._log_likelihood(x, latents, conditions) + log_prior - log_posterior

        return ops.map(log_weight, ops.arange(draws))

    def _encode(self, x, conditions):
        """The mean of q(z | x)."""
        return self._posterior(x, conditions)[0]

    def _decode(self, latents, conditions):
        """The mean of p(x | z)."""
        return self._mean_of(self._decoded(latents, conditions))

    def _draw_latents(self, n, seed):
        return keras.random.normal((n, self.latent_dim), seed=seed)

    def sample_batch(self, n, random, conditions, *, noise: Flag = False):
        """Decodes draws from the prior; with `noise` also draws from p(x | z) instead of its mean."""
        latents = self._draw_latents(n, random.next())
        if not noise:
            return self._decode(latents, conditions)
        return self._draw_of(self._decoded(latents, conditions), random.next())
