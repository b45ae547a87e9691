"""Lipschitz GAN (Zhou, Liang, Song, Yu, Wang, Zhang, Yu & Zhang 2019, "Lipschitz Generative Adversarial Nets", arXiv
1902.05687; Zhou et al. 2018, arXiv 1807.00751).

As in the paper: the critic minimizes E phi(f(G(z))) + E phi(-f(x)) + lambda k(f)^2, where phi is increasing and convex
and k(f) is the critic's Lipschitz constant; the generator minimizes -E f(G(z)). k(f) is the largest slope at random
points between data and samples of the batch (MaxGP); unlike WGAN-GP's penalty it has no target. There is one best
critic, and its gradient at a sample points at data, also where the supports do not meet. As in the authors' code: five
updates of the critic to one of the generator, lambda = 0.1, normal latents, samples from a moving average of the
generator's weights (`use_ema: true`). phi is one of the paper's four functions, or the square that the authors' code
has for comparison: it does not increase everywhere, and with a small lambda it is no better than without.

Differences from the paper: images have the networks of DCGAN instead of residual ones, and no batch normalization in
the critic; vectors dense ones. The buffer of the steepest points of earlier steps, which the authors' code has and does
not use by default, is left out. Generator and critic have batches of one size; the generator's is twice as large there.
Learning rates stay constant, theirs fall to 0. With the square their generator has a loss by squares, too.
"""

from typing import Literal

import keras

from gm_keras.losses.adversarial import lipschitz
from gm_keras.losses.penalties import PENALTIES
from gm_keras.models.gan.base import GAN
from gm_keras.networks.adversarial import generator_and_critic
from gm_keras.types import Filters, Halvings, HiddenWidths, NonNegativeFloat, Repeats, Shape, Width


@keras.saving.register_keras_serializable("gm_keras")
class LGAN(GAN):
    """GAN with a penalty on the critic's Lipschitz constant; optimizers "critic" and "generator".

    Args:
        image_shape: (height, width, channels), height and width even, images in [-1, 1]; or (features,).
        latent_dim: Number of latent variables.
        filters: Images: of the critic's first and the generator's last hidden layer; each layer farther
            from the image has twice as many.
        stages: Images: how often they are halved; None goes on to a side of 4, or an odd one.
        units: Vectors: widths of the hidden layers of both networks.
        critic_normalization: Images: "layer" or None.
        phi: "exp", "log_sigmoid", "sqrt" (x + sqrt(x^2 + 1)), "linear", which is the Wasserstein objective, or "square"
            ((x + 1)^2).
        n_critic: Updates of the critic for one of the generator.
        penalty_weight: Of the squared Lipschitz constant (lambda in the paper).
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
        phi: Literal["exp", "log_sigmoid", "sqrt", "linear", "square"] = "exp",
        n_critic: Repeats = 5,
        penalty_weight: NonNegativeFloat = 0.1,
        name: str | None = None,
    ):
        super().__init__(name=name)

        # ---- networks ----
        self.generator, self.critic = generator_and_critic(
            image_shape,
            latent_dim,
            filters=filters,
            stages=stages,
            units=units,
            normalization=critic_normalization,
            critic_name="critic",
        )

        # ---- config ----
        self.objective = lipschitz(phi)
        self.penalty = PENALTIES["max_gradient_penalty"]
        self.penalty_weight = penalty_weight
        self.latent_dim = latent_dim
        self.n_critic = n_critic
        self.setup()
