"""BiGAN (Donahue, Krähenbühl & Darrell 2017, "Adversarial Feature Learning", arXiv 1605.09782).

As in the paper: an encoder maps data to latents while the generator maps latents to data, and one discriminator tells
pairs (x, E(x)) from pairs (G(z), z); generator and encoder are updated together, with both kinds of pairs under the
other one's target (the "inverse" objective). Where they win, the encoder inverts the generator, though neither ever
sees the other's output. Latents are uniform in [-1, 1]; the encoder's output is linear. The dense networks are those
for MNIST of the paper: two hidden layers in each, ReLU in the generator and LeakyReLU 0.2 in the others, with batch
normalization.

Differences from the paper: images lie in [-1, 1] with a tanh; the first hidden layer of the dense generator is not
normalized, as those of the others; the dense discriminator gets the latents beside the example, not beside its first
hidden layer. Besides the dense networks there are those of DCGAN (Radford et al. 2016) for images, where the latents
join what the discriminator makes of the image; in the paper convolutional networks are those of AlexNet, for ImageNet.
There is no weight decay.
"""

from typing import Literal

import keras
from keras import ops

from gm_keras.core import AutoencoderMixin, Phase
from gm_keras.core.statistics import unchanged
from gm_keras.losses import adversarial
from gm_keras.losses.adversarial import OBJECTIVES
from gm_keras.models.gan.base import GAN
from gm_keras.networks import bigan as networks
from gm_keras.networks.dcgan import dcgan_generator
from gm_keras.types import Filters, Halvings, Shape, Width, Widths


@keras.saving.register_keras_serializable("gm_keras")
class BiGAN(AutoencoderMixin, GAN):
    """GAN with an encoder; optimizers "discriminator" and "generator", which updates the encoder too.

    Args:
        image_shape: (height, width, channels), images in [-1, 1]; or (features,) with dense networks.
        latent_dim: Number of latent variables.
        network: "dense" or "convolutional" (height and width even).
        units: Dense: widths of the hidden layers of all three networks. Convolutional: the first is that of the
            discriminator's dense layers.
        filters: Convolutional: of the first layer of encoder and discriminator and the generator's last hidden one;
            each layer farther from the image has twice as many.
        stages: Convolutional: how often the image is halved; None goes on to a side of 4, or an odd one.
    """

    offers = GAN.offers | {"autoencoder"}
    latent_prior = "uniform"

    def __init__(
        self,
        image_shape: Shape,
        latent_dim: Width = 50,
        network: Literal["dense", "convolutional"] = "dense",
        units: Widths = (1024, 1024),
        filters: Filters = 64,
        stages: Halvings | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        if network == "convolutional" and len(image_shape) != 3:
            raise ValueError('network must be "dense" for vectors, not "convolutional"')

        # ---- networks ----
        if network == "dense":
            self.generator = networks.dense_generator(
                latent_dim, image_shape, units, name="generator"
            )
            self.encoder = networks.dense_encoder(image_shape, latent_dim, units, name="encoder")
            self.discriminator = networks.dense_pair_discriminator(
                image_shape, latent_dim, units, name="discriminator"
            )
        else:
            sizes = (filters, stages)
            self.generator = dcgan_generator(latent_dim, image_shape, *sizes, name="generator")
            self.encoder = networks.convolutional_encoder(
                image_shape, latent_dim, *sizes, name="encoder"
            )
            self.discriminator = networks.convolutional_pair_discriminator(
                image_shape, latent_dim, *sizes, units[0], name="discriminator"
            )

        # ---- config ----
        self.objective = OBJECTIVES["non_saturating"]
        self.latent_dim = latent_dim
        self.setup()

    def phases(self):
        players = (self.generator, self.encoder)
        return [
            Phase("discriminator", self._critic_loss, (self.discriminator,), "discriminator"),
            Phase("generator", self._generator_loss, players, "generator"),
        ]

    def inference_networks(self):
        return {"generator": self.generator, "encoder": self.encoder}

    def _scores(self, x, conditions, training):
        """The logits of pairs; an example is told its latents."""
        return self._call(self.discriminator, [x, conditions["latents"]], training)

    def _pairs(self, batch, training):
        """Data with their codes, and latents with what is generated of them."""
        x = batch[self.data_field]
        latents = self._draw_latents(ops.shape(x)[0], self.seed_generator)
        codes = self._call(self.encoder, x, training)
        fake = self._generated(latents, {}, training)
        return (x, codes), (fake, latents)

    def _critic_loss(self, batch, training):
        with unchanged(self.generator, self.encoder):
            pairs = self._pairs(batch, training)
        real, fake = ((ops.stop_gradient(x), {"latents": ops.stop_gradient(z)}) for x, z in pairs)
        return self._objective(real, fake, training)

    def _generator_loss(self, batch, training):
        pairs = self._pairs(batch, training)
        with unchanged(self.discriminator):
            real, fake = (self._scores(x, {"latents": z}, training) for x, z in pairs)
        return adversarial.discriminator(fake, real)

    def _encode(self, x, conditions):
        return self._call(self.encoder, x, False)
