"""Wasserstein GAN with gradient penalty (Gulrajani, Ahmed, Arjovsky, Dumoulin & Courville 2017, "Improved Training of
Wasserstein GANs", arXiv 1704.00028).

As in the paper: the penalty (norm - 1)^2 of the critic's gradient at random points between data and fakes, with
weight 10; five updates of the critic, each on a fresh batch (`compile(..., fresh_batches=True)`), to one of the
generator; normal latents; no batch normalization in the critic.

Differences from the paper: images have the networks of DCGAN (which the paper trains too, besides its residual ones),
with 4 x 4 kernels, batch normalization in the generator and none, or layer normalization, in the critic. Vectors have the
paper's dense networks. Each update of the critic leaves the generator's batch normalization as it is.
"""

from typing import Literal

import keras
from keras import ops

from gm_keras.core import GenerativeModel, LatentsMixin, Phase
from gm_keras.core.statistics import unchanged
from gm_keras.losses import adversarial, penalties
from gm_keras.networks.dcgan import dcgan_discriminator, dcgan_generator
from gm_keras.networks.dense import dense
from gm_keras.types import Filters, Halvings, HiddenWidths, NonNegativeFloat, Repeats, Shape, Width


@keras.saving.register_keras_serializable("gm_keras")
class WGANGP(LatentsMixin, GenerativeModel):
    """Wasserstein GAN with gradient penalty; optimizers "critic" and "generator".

    Args:
        image_shape: (height, width, channels), height and width even, images in [-1, 1]; or (features,).
        latent_dim: Number of latent variables.
        filters: Images: of the critic's first and the generator's last hidden layer; each layer farther
            from the image has twice as many.
        stages: Images: how often they are halved; None goes on to a side of 4, or an odd one.
        units: Vectors: widths of the hidden layers of both networks.
        critic_normalization: Images: "layer" or None.
        n_critic: Updates of the critic for one of the generator.
        penalty_weight: Of the gradient penalty (lambda in the paper).
    """

    offers = frozenset({"sampler", "latents"})

    def __init__(
        self,
        image_shape: Shape,
        latent_dim: Width = 128,
        filters: Filters = 64,
        stages: Halvings | None = None,
        units: HiddenWidths = (512, 512, 512),
        critic_normalization: Literal["layer"] | None = None,
        n_critic: Repeats = 5,
        penalty_weight: NonNegativeFloat = 10.0,
        name: str | None = None,
    ):
        super().__init__(name=name)

        # ---- networks ----
        if len(image_shape) == 3:
            self.generator = dcgan_generator(
                latent_dim, image_shape, filters, stages, name="generator"
            )
            self.critic = dcgan_discriminator(
                image_shape, filters, stages, normalization=critic_normalization, name="critic"
            )
        else:
            self.generator = dense((latent_dim,), units, image_shape[0], name="generator")
            self.critic = dense(image_shape, units, 1, name="critic")

        # ---- config ----
        self.latent_dim = latent_dim
        self.n_critic = n_critic
        self.penalty_weight = penalty_weight
        self.setup(logs=("wasserstein", "gradient_penalty"))

    def phases(self):
        return [
            Phase("critic", self._critic_loss, (self.critic,), "critic", repeats=self.n_critic),
            Phase("generator", self._generator_loss, (self.generator,), "generator"),
        ]

    def inference_networks(self):
        return {"generator": self.generator}

    def _draw_latents(self, n, seed):
        return keras.random.normal((n, self.latent_dim), seed=seed)

    def _generate(self, n, seed, training=False):
        return self._examples(self._draw_latents(n, seed), training)

    def _examples(self, latents, training=False):
        return ops.cast(self.generator(latents, training=training), "float32")

    def _scores(self, x, training):
        return ops.cast(self.critic(x, training=training), "float32")

    def _critic_loss(self, batch, training):
        real = batch[self.data_field]
        n = ops.shape(real)[0]
        with unchanged(self.generator):
            fake = ops.stop_gradient(self._generate(n, self.seed_generator, training))
        distance = adversarial.wasserstein_distance(
            self._scores(real, training), self._scores(fake, training)
        )
        fractions = keras.random.uniform((n,), seed=self.seed_generator)
        between = penalties.interpolates(real, fake, fractions)
        slopes = self.gradient(lambda x: self._scores(x, training), between)
        penalty = penalties.gradient_penalty(slopes)
        self.log("wasserstein", distance)
        self.log("gradient_penalty", penalty)
        return self.penalty_weight * penalty - distance

    def _generator_loss(self, batch, training):
        n = ops.shape(batch[self.data_field])[0]
        fake = self._generate(n, self.seed_generator, training)
        with unchanged(self.critic):
            scores = self._scores(fake, training)
        return adversarial.wasserstein_generator(scores)

    def _decode(self, latents, conditions):
        return self._examples(latents)

    def sample_batch(self, n, random, conditions):
        """Samples of random latents, normalized by the moving averages: `(n, *image_shape)`."""
        return self._generate(n, random.next())
