"""GAN with spectral normalization (Miyato, Kataoka, Koyama & Yoshida 2018, "Spectral Normalization for Generative
Adversarial Networks", arXiv 1802.05957), and the projection discriminator for labels (Miyato & Koyama 2018, "cGANs with
Projection Discriminator", arXiv 1802.05637).

As in the papers: every layer of the discriminator divides its kernel by its largest singular value, known from one
power iteration a use; the standard network of convolutions (table 3) and the residual one (table 4); hinge or
non-saturating loss; several updates of the discriminator for one of the generator; normal latents. With labels the
batch normalization of the generator has a scale and a shift for each class, and the discriminator adds to its score the
product of its features with a vector of the class, spectrally normalized too.

Differences from the papers: u stays as it is in the generator's phase, which leaves the discriminator as it was; in the
authors' code it moves there too. In the discriminator's phase it moves twice, with data and with fakes, as in theirs.
The generator's batch is as large as the discriminator's (theirs is twice as large), and fakes have the labels of the
data in the batch. Learning rates stay constant. The convolutions of the generator's blocks have no bias, which the next
normalization would take away, and no kernel begins with a gain: the spectral normalization would take it away, and the
generator's blocks begin with a weaker branch beside the shortcut. All convolutions of a discriminator's block have the
features of its output; in the authors' code the first has those of its input. Samples come from an average of the
generator's weights where its optimizer says so; the normalization's statistics are those of the last steps.
"""

from typing import Literal

import keras

from gm_keras.losses.adversarial import OBJECTIVES
from gm_keras.models.gan.base import GAN
from gm_keras.networks.residual_gan import residual_discriminator, residual_generator
from gm_keras.networks.sngan import standard_discriminator, standard_generator
from gm_keras.types import Categories, FilterList, Halvings, ImageShape, Repeats, Width

NETWORKS = {
    "residual": (residual_generator, residual_discriminator),
    "standard": (standard_generator, standard_discriminator),
}


@keras.saving.register_keras_serializable("gm_keras")
class SNGAN(GAN):
    """Spectrally normalized GAN; optimizers "discriminator" and "generator".

    Args:
        image_shape: (height, width, channels); images in [-1, 1].
        latent_dim: Number of latent variables.
        network: "residual" or "standard".
        generator_filters: For each doubling of the image, from the smallest to the largest. Of the standard network
            the first layer has twice as many as the first of these.
        discriminator_filters: Of each residual block, or of each 3 x 3 convolution of the standard network.
        halvings: So many of the first of these halve the image.
        loss: "hinge" or "non_saturating".
        n_critic: Updates of the discriminator for one of the generator.
        num_classes: Condition on a label of so many classes.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        latent_dim: Width = 128,
        network: Literal["residual", "standard"] = "residual",
        generator_filters: FilterList = (256, 256, 256),
        discriminator_filters: FilterList = (128, 128, 128, 128),
        halvings: Halvings = 2,
        loss: Literal["hinge", "non_saturating"] = "hinge",
        n_critic: Repeats = 5,
        num_classes: Categories | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)

        # ---- networks ----
        generator, discriminator = NETWORKS[network]
        self.generator = generator(
            latent_dim, image_shape, generator_filters, num_classes=num_classes, name="generator"
        )
        self.discriminator = discriminator(
            image_shape,
            discriminator_filters,
            halvings,
            num_classes=num_classes,
            name="discriminator",
        )

        # ---- config ----
        self.objective = OBJECTIVES[loss]
        self.latent_dim = latent_dim
        self.n_critic = n_critic
        self.num_classes = num_classes
        self.setup()
