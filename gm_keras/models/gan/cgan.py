"""Conditional GAN (Mirza & Osindero 2014, "Conditional Generative Adversarial Nets", arXiv 1411.1784).

As in the paper: generator and discriminator are both told the label, one-hot, beside their other input, and play the
game of Goodfellow et al. 2014 given it; fakes are told the labels of the batch. The dense networks are the paper's: the
latents or the example and the label go through a hidden layer each, ReLU in the generator and maxout in the
discriminator, and then through a joint one, with dropout in all of them; uniform latents.

Differences from the paper: latents are uniform in [-1, 1] instead of [0, 1], and images lie in [-1, 1] with a tanh.
Besides the dense networks there are those of DCGAN (Radford et al. 2016), in which the label is beside the latents of
the generator, and one more channel for each class beside those of the discriminator's image. The generator's loss is
the non-saturating one, or, as written in the paper, minimax.
"""

from typing import Literal

import keras

from gm_keras.losses.adversarial import OBJECTIVES
from gm_keras.models.gan.base import GAN
from gm_keras.networks.dcgan import dcgan_discriminator, dcgan_generator
from gm_keras.networks.joint import joint_discriminator, joint_generator
from gm_keras.types import Categories, Filters, Fraction, Halvings, Shape, ThreeWidths, Width


@keras.saving.register_keras_serializable("gm_keras")
class CGAN(GAN):
    """Generator and discriminator that are told a label; optimizers "discriminator" and "generator".

    Args:
        image_shape: (height, width, channels), images in [-1, 1]; or (features,) with dense networks.
        latent_dim: Number of latent variables.
        network: "convolutional" (height and width even) or "dense".
        filters: Convolutional: of the discriminator's first and the generator's last hidden layer; each layer farther
            from the image has twice as many.
        stages: Convolutional: how often the image is halved; None goes on to a side of 4, or an odd one.
        generator_units: Dense: widths of the generator's layers on the latents, on the label, and on both.
        discriminator_units: Dense: widths of the discriminator's layers on the example, on the label, and on both.
        dropout: Dense: rate of dropout of the hidden layers of both networks.
        loss: "non_saturating" or "minimax".
        num_classes: How many classes there are; without, neither network is told any.
    """

    latent_prior = "uniform"

    def __init__(
        self,
        image_shape: Shape,
        latent_dim: Width = 100,
        network: Literal["convolutional", "dense"] = "convolutional",
        filters: Filters = 64,
        stages: Halvings | None = None,
        generator_units: ThreeWidths = (200, 1000, 1200),
        discriminator_units: ThreeWidths = (240, 50, 240),
        dropout: Fraction = 0.5,
        loss: Literal["non_saturating", "minimax"] = "non_saturating",
        num_classes: Categories | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        if network == "convolutional" and len(image_shape) != 3:
            raise ValueError('network must be "dense" for vectors, not "convolutional"')

        # ---- networks ----
        if network == "convolutional":
            sizes = {"filters": filters, "stages": stages, "num_classes": num_classes}
            self.generator = dcgan_generator(latent_dim, image_shape, **sizes, name="generator")
            self.discriminator = dcgan_discriminator(image_shape, **sizes, name="discriminator")
        else:
            told = {"num_classes": num_classes, "dropout": dropout}
            self.generator = joint_generator(
                latent_dim, image_shape, generator_units, **told, name="generator"
            )
            self.discriminator = joint_discriminator(
                image_shape, discriminator_units, **told, name="discriminator"
            )

        # ---- config ----
        self.objective = OBJECTIVES[loss]
        self.latent_dim = latent_dim
        self.num_classes = num_classes
        self.setup()
