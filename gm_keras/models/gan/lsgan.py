"""Least squares GAN (Mao, Li, Xie, Lau, Wang & Smolley 2017, "Least Squares Generative Adversarial Networks",
arXiv 1611.04076).

As in the paper: the discriminator has linear outputs and is to say b of data and a of samples, the generator is to make
it say c, all by least squares. The paper's two codings: "binary", a = 0 and b = c = 1, with which it trains its models,
and "pearson", a = -1, b = 1 and c = 0, for which the generator minimizes the Pearson divergence. Uniform latents, as in
the authors' code; the discriminator has strided convolutions, batch normalization and LeakyReLU.

Differences from the paper: images have the networks of DCGAN with 4 x 4 kernels; the paper's generator, for 112 x 112
pixels, has convolutions of stride 1 between its transposed ones. Vectors have dense networks of ReLU units, where the
authors' code for mixtures has tanh, and normal latents. Samples come from an average of the generator's weights where
its optimizer says so. The paper's network for Chinese characters, told a class, is left out.
"""

from typing import Literal

import keras

from gm_keras.losses.adversarial import OBJECTIVES
from gm_keras.models.gan.base import GAN
from gm_keras.networks.adversarial import generator_and_critic
from gm_keras.types import Filters, Halvings, HiddenWidths, Shape, Width

CODINGS = {"binary": "least_squares", "pearson": "least_squares_pearson"}


@keras.saving.register_keras_serializable("gm_keras")
class LSGAN(GAN):
    """Generative adversarial network by least squares; optimizers "discriminator" and "generator".

    Args:
        image_shape: (height, width, channels), height and width even, images in [-1, 1]; or (features,).
        latent_dim: Number of latent variables.
        filters: Images: of the discriminator's first and the generator's last hidden layer; each layer farther
            from the image has twice as many.
        stages: Images: how often they are halved; None goes on to a side of 4, or an odd one.
        units: Vectors: widths of the hidden layers of both networks.
        coding: "binary" (a = 0, b = c = 1) or "pearson" (a = -1, b = 1, c = 0).
    """

    latent_prior = "uniform"

    def __init__(
        self,
        image_shape: Shape,
        latent_dim: Width = 1024,
        filters: Filters = 64,
        stages: Halvings | None = None,
        units: HiddenWidths = (128, 128),
        coding: Literal["binary", "pearson"] = "binary",
        name: str | None = None,
    ):
        super().__init__(name=name)

        # ---- networks ----
        self.generator, self.discriminator = generator_and_critic(
            image_shape,
            latent_dim,
            filters=filters,
            stages=stages,
            units=units,
            normalization="batch",
            critic_name="discriminator",
        )

        # ---- config ----
        self.objective = OBJECTIVES[CODINGS[coding]]
        self.latent_dim = latent_dim
        self.setup()
