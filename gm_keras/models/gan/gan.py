"""Generative adversarial network (Goodfellow, Pouget-Abadie, Mirza, Xu, Warde-Farley, Ozair, Courville & Bengio 2014,
"Generative Adversarial Nets", arXiv 1406.2661).

As in the paper: dense networks, ReLU units in the generator, maxout units with dropout in the discriminator, noise
that only the generator's first layer gets; k updates of the discriminator, each with new noise, to one of the
generator. The generator's loss is the minimax one of the paper's equation 1, or, as the paper advises and the authors'
code has it, the non-saturating one. Latents are normal, as in the authors' code for CIFAR-10 (for MNIST they are
uniform, of the same variance). A fifth of the inputs and half of the hidden units are dropped, and dropout is on in
both players' steps, as in the authors' code.

Differences from the paper: images lie in [-1, 1] with a tanh at the end of the generator, instead of [0, 1] with a
sigmoid, and all biases begin at 0; weights begin as Keras has them, in the authors' code smaller. Samples come from an average of the
generator's weights where its optimizer says so. ReLU units in the discriminator are a choice of ours. Other objectives
and regularizers can be played with the same networks, to compare them; none is the paper's.
"""

import keras

from gm_keras.models.gan.base import GAN
from gm_keras.networks.adversarial import dense_discriminator, dense_generator
from gm_keras.types import (
    AtLeastTwo,
    Fraction,
    Game,
    NonNegativeFloat,
    PositiveFloat,
    Repeats,
    Shape,
    Slope,
    Width,
    Widths,
)


@keras.saving.register_keras_serializable("gm_keras")
class VanillaGAN(GAN):
    """Dense generative adversarial network; optimizers "discriminator" and "generator".

    Args:
        image_shape: Shape of one example: (height, width, channels), images in [-1, 1], or (features,).
        latent_dim: Number of latent variables.
        generator_units: Widths of the generator's hidden layers.
        discriminator_units: Widths of the discriminator's hidden layers.
        pieces: Linear pieces of each maxout unit of the discriminator; None for ReLU units.
        input_dropout: Rate of dropout of what the discriminator gets.
        dropout: Rate of dropout of the discriminator's hidden units.
        loss: What both players minimize: "non_saturating" or "minimax", as in the paper, or another of
            `losses.adversarial.OBJECTIVES`.
        penalty: What bounds the discriminator's slope: one of `losses.penalties.PENALTIES`, "clipping" of its weights,
            or None.
        penalty_weight: Of the penalty; None is the one of its paper.
        clip: With "clipping", the largest size of a weight.
        n_critic: Updates of the discriminator for one of the generator (k in the paper).
    """

    def __init__(
        self,
        image_shape: Shape,
        latent_dim: Width = 100,
        generator_units: Widths = (1200, 1200),
        discriminator_units: Widths = (240, 240),
        pieces: AtLeastTwo | None = 5,
        input_dropout: Fraction = 0.2,
        dropout: Fraction = 0.5,
        loss: Game = "non_saturating",
        penalty: Slope | None = None,
        penalty_weight: NonNegativeFloat | None = None,
        clip: PositiveFloat = 0.01,
        n_critic: Repeats = 1,
        name: str | None = None,
    ):
        super().__init__(name=name)

        # ---- networks ----
        self.generator = dense_generator(latent_dim, image_shape, generator_units, name="generator")
        self.discriminator = dense_discriminator(
            image_shape,
            discriminator_units,
            pieces=pieces,
            input_dropout=input_dropout,
            dropout=dropout,
            name="discriminator",
        )

        # ---- config ----
        self.play(loss, penalty, penalty_weight, clip)
        self.latent_dim = latent_dim
        self.n_critic = n_critic
        self.setup()
