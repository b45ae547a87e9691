"""Self-attention GAN (Zhang, Goodfellow, Metaxas & Odena 2019, "Self-Attention Generative Adversarial Networks", arXiv
1805.08318).

As in the paper: self-attention in both networks, added with a learned weight gamma that starts at 0; spectral
normalization of every layer of both; two time scales, a larger learning rate for the discriminator and one update of
each in a step; hinge loss; labels by conditional batch normalization in the generator and by projection in the
discriminator; normal latents. The attention is that of the authors' code: keys and values are the largest of each
2 x 2 pixels, queries and keys have an eighth of the channels and values a half.

Differences from the paper: smaller networks, of the same residual blocks; the image's size and `attention` say where
the attention is (32 x 32 features of 128 x 128 images in the paper). The discriminator's u moves with data and again
with fakes, in the authors' code with data only; the generator's stays in the discriminator's phase, where theirs moves.
Fakes have the labels of the data in the batch. Samples come from an average of the generator's weights where its
optimizer says so; the normalization's statistics are those of the last steps. The convolutions of the generator's blocks have no bias, which the next
normalization would take away.
"""

import keras

from gm_keras.losses.adversarial import OBJECTIVES
from gm_keras.models.gan.base import GAN
from gm_keras.networks.residual_gan import residual_discriminator, residual_generator
from gm_keras.types import Categories, FilterList, Halvings, ImageShape, Side, Width


@keras.saving.register_keras_serializable("gm_keras")
class SAGAN(GAN):
    """Self-attention GAN; optimizers "discriminator" and "generator".

    Args:
        image_shape: (height, width, channels); images in [-1, 1].
        latent_dim: Number of latent variables.
        generator_filters: For each doubling of the image, from the smallest to the largest.
        discriminator_filters: Of each residual block.
        halvings: So many of the first of these halve the image.
        attention: The height of the features that attend to each other, after a block of either network; None leaves
            the attention out.
        num_classes: Condition on a label of so many classes.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        latent_dim: Width = 128,
        generator_filters: FilterList = (256, 256, 256),
        discriminator_filters: FilterList = (128, 128, 128, 128),
        halvings: Halvings = 2,
        attention: Side | None = 16,
        num_classes: Categories | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)

        # ---- networks ----
        common = {"num_classes": num_classes, "attention": attention}
        self.generator = residual_generator(
            latent_dim, image_shape, generator_filters, spectral=True, name="generator", **common
        )
        self.discriminator = residual_discriminator(
            image_shape, discriminator_filters, halvings, name="discriminator", **common
        )

        # ---- config ----
        self.objective = OBJECTIVES["hinge"]
        self.latent_dim = latent_dim
        self.num_classes = num_classes
        self.setup()
