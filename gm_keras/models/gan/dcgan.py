"""Deep convolutional GAN (Radford, Metz & Chintala 2016, "Unsupervised Representation Learning with Deep
Convolutional Generative Adversarial Networks", arXiv 1511.06434), with the two games of Goodfellow et al. 2014
("Generative Adversarial Nets", arXiv 1406.2661).

As in the paper: strided and transposed convolutions without pooling or hidden dense layers, batch normalization
everywhere but in the generator's output and the discriminator's input, ReLU and tanh in the generator, LeakyReLU 0.2
in the discriminator, weights from N(0, 0.02), uniform latents.

Differences from the paper: 4 x 4 kernels (of the authors' Torch code; the paper's 5 x 5 do not divide by the stride);
the number of stages follows the size of the images. Data and fakes go through the discriminator one batch after
the other, so that each batch is normalized by its own statistics, as in the authors' code. A phase leaves the batch
normalization of the other network as it is: its moving averages belong to its own phase. Other objectives and
regularizers can be played with the same networks, to compare them; none is the paper's.
"""

from typing import Literal

import keras

from gm_keras.losses.penalties import PENALTIES
from gm_keras.models.gan.base import GAN
from gm_keras.networks.dcgan import dcgan_discriminator, dcgan_generator
from gm_keras.types import (
    Filters,
    Game,
    Halvings,
    ImageShape,
    NonNegativeFloat,
    PositiveFloat,
    Repeats,
    Slope,
    Width,
)


@keras.saving.register_keras_serializable("gm_keras")
class DCGAN(GAN):
    """Deep convolutional generative adversarial network; optimizers "discriminator" and "generator".

    Args:
        image_shape: (height, width, channels), height and width even; images in [-1, 1].
        latent_dim: Number of latent variables.
        filters: Of the discriminator's first and the generator's last hidden layer; each layer farther
            from the image has twice as many.
        stages: How often the image is halved; None goes on to a side of 4, or an odd one.
        loss: What both players minimize: "non_saturating", or another of `losses.adversarial.OBJECTIVES`.
        latents: Their distribution: "uniform" in [-1, 1], or "normal".
        normalization: Of the discriminator: "batch", "layer" or None.
        penalty: What bounds the discriminator's slope: one of `losses.penalties.PENALTIES`, "clipping" of its weights,
            or None.
        penalty_weight: Of the penalty; None is the one of its paper.
        clip: With "clipping", the largest size of a weight.
        n_critic: Updates of the discriminator for one of the generator.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        latent_dim: Width = 100,
        filters: Filters = 64,
        stages: Halvings | None = None,
        loss: Game = "non_saturating",
        latents: Literal["uniform", "normal"] = "uniform",
        normalization: Literal["batch", "layer"] | None = "batch",
        penalty: Slope | None = None,
        penalty_weight: NonNegativeFloat | None = None,
        clip: PositiveFloat = 0.01,
        n_critic: Repeats = 1,
        name: str | None = None,
    ):
        super().__init__(name=name)

        if penalty in PENALTIES and normalization == "batch":
            raise ValueError(
                f'penalty="{penalty}" needs normalization="layer" or None, not "batch": '
                "it is on each example's own gradient, and batch normalization mixes the examples"
            )

        # ---- networks ----
        self.generator = dcgan_generator(latent_dim, image_shape, filters, stages, name="generator")
        self.discriminator = dcgan_discriminator(
            image_shape, filters, stages, normalization=normalization, name="discriminator"
        )

        # ---- config ----
        self.play(loss, penalty, penalty_weight, clip)
        self.latent_dim = latent_dim
        self.latents = self.latent_prior = latents
        self.n_critic = n_critic
        self.setup()
