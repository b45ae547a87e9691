"""Deep convolutional GAN (Radford, Metz & Chintala 2016, "Unsupervised Representation Learning with Deep
Convolutional Generative Adversarial Networks", arXiv 1511.06434), with the two games of Goodfellow et al. 2014
("Generative Adversarial Nets", arXiv 1406.2661).

As in the paper: strided and transposed convolutions without pooling or hidden dense layers, batch normalization
everywhere but in the generator's output and the discriminator's input, ReLU and tanh in the generator, LeakyReLU 0.2
in the discriminator, weights from N(0, 0.02), uniform latents.

Differences from the paper: 4 x 4 kernels (of the authors' Torch code; the paper's 5 x 5 do not divide by the stride);
the number of stages follows the size of the images. Data and fakes go through the discriminator one batch after
the other, so that each batch is normalized by its own statistics, as in the authors' code. A phase leaves the batch
normalization of the other network as it is: its moving averages belong to its own phase.
"""

from typing import Literal

import keras
from keras import ops

from gm_keras.losses import adversarial
from gm_keras.models.gan.base import GAN
from gm_keras.networks.dcgan import dcgan_discriminator, dcgan_generator
from gm_keras.types import Filters, Halvings, ImageShape, Width


@keras.saving.register_keras_serializable("gm_keras")
class DCGAN(GAN):
    """Deep convolutional generative adversarial network; optimizers "discriminator" and "generator".

    Args:
        image_shape: (height, width, channels), height and width even; images in [-1, 1].
        latent_dim: Number of latent variables.
        filters: Of the discriminator's first and the generator's last hidden layer; each layer farther
            from the image has twice as many.
        stages: How often the image is halved; None goes on to a side of 4, or an odd one.
        loss: The generator's: "non_saturating" or "minimax".
        latents: Their distribution: "uniform" in [-1, 1], or "normal".
    """

    def __init__(
        self,
        image_shape: ImageShape,
        latent_dim: Width = 100,
        filters: Filters = 64,
        stages: Halvings | None = None,
        loss: Literal["non_saturating", "minimax"] = "non_saturating",
        latents: Literal["uniform", "normal"] = "uniform",
        name: str | None = None,
    ):
        super().__init__(name=name)

        # ---- networks ----
        self.generator = dcgan_generator(latent_dim, image_shape, filters, stages, name="generator")
        self.discriminator = dcgan_discriminator(image_shape, filters, stages, name="discriminator")

        # ---- config ----
        self.latent_dim = latent_dim
        self.latents = self.latent_prior = latents
        self.game = loss
        self.setup(logs=("real_probability", "fake_probability"))

    def _objective(self, real, fake, training):
        real_logits, fake_logits = self._scores(real, training), self._scores(fake, training)
        self.log("real_probability", ops.mean(ops.sigmoid(real_logits)))
        self.log("fake_probability", ops.mean(ops.sigmoid(fake_logits)))
        return adversarial.discriminator(real_logits, fake_logits)

    def _generator_objective(self, scores):
        return adversarial.GENERATOR_LOSSES[self.game](scores)
