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

from gm_keras.losses.adversarial import OBJECTIVES
from gm_keras.losses.penalties import PENALTIES
from gm_keras.models.gan.base import GAN
from gm_keras.networks.dcgan import dcgan_discriminator, dcgan_generator
from gm_keras.networks.dense import dense
from gm_keras.types import Filters, Halvings, HiddenWidths, NonNegativeFloat, Repeats, Shape, Width


@keras.saving.register_keras_serializable("gm_keras")
class WGANGP(GAN):
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

    critic_name = "critic"

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
        self.objective = OBJECTIVES["wasserstein"]
        self.penalty = PENALTIES["gradient_penalty"]
        self.penalty_weight = penalty_weight
        self.latent_dim = latent_dim
        self.n_critic = n_critic
        self.setup()
