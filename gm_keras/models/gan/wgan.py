"""Wasserstein GAN (Arjovsky, Chintala & Bottou 2017, "Wasserstein GAN", arXiv 1701.07875).

As in the paper: the critic's weights, those of its batch normalization included, are cut to [-0.01, 0.01] after each
update, so that its slopes are bounded; n_critic = 5 updates, each on a fresh batch (`compile(...,
fresh_batches=True)`), to one of the generator; RMSprop, because momentum makes the critic unstable; the networks of
DCGAN, or dense ones. As in the authors' code the critic gets 100 updates for each of the first 25 of the generator, and
again for every 500th; latents are normal. The curve `wasserstein` is the critic's estimate: the distance of data and
samples times the unknown slope that clipping allows, so that it is to be compared with itself only.

Differences from the paper: the many updates of the critic are spread over steps in which the generator rests, and are a
multiple of n_critic; in an epoch in which it rests throughout its loss is given as 0. 4 x 4 kernels, as in the authors'
code. Samples come from an average of the generator's weights where its optimizer says so. The output is linear in the last map of features where the authors' code has a
convolution, which is the same. The critic of images may have no batch normalization, or layer normalization.
"""

import dataclasses
from typing import Annotated, Literal

import keras
from keras import ops
from pydantic import Field

from gm_keras.losses.adversarial import OBJECTIVES
from gm_keras.models.gan.base import GAN
from gm_keras.networks.adversarial import generator_and_critic
from gm_keras.types import (
    AtLeastTwo,
    Filters,
    Halvings,
    HiddenWidths,
    PositiveFloat,
    Repeats,
    Shape,
    Width,
)


@keras.saving.register_keras_serializable("gm_keras")
class WGAN(GAN):
    """Wasserstein GAN with clipped weights; optimizers "critic" and "generator".

    Args:
        image_shape: (height, width, channels), height and width even, images in [-1, 1]; or (features,).
        latent_dim: Number of latent variables.
        filters: Images: of the critic's first and the generator's last hidden layer; each layer farther
            from the image has twice as many.
        stages: Images: how often they are halved; None goes on to a side of 4, or an odd one.
        units: Vectors: widths of the hidden layers of both networks.
        critic_normalization: Images: "batch", "layer" or None.
        clip: The largest size of a weight of the critic (c in the paper).
        n_critic: Updates of the critic for one of the generator.
        n_critic_long: As many, rounded up to a multiple of n_critic, for an update of the generator with a long training
            of the critic before it.
        warm_up: How many of the generator's first updates have the long training of the critic before them.
        long_every: After that every so many-th update has it again; None: none has.
    """

    critic_name = "critic"

    def __init__(
        self,
        image_shape: Shape,
        latent_dim: Width = 100,
        filters: Filters = 64,
        stages: Halvings | None = None,
        units: HiddenWidths = (512, 512, 512),
        critic_normalization: Literal["batch", "layer"] | None = "batch",
        clip: PositiveFloat = 0.01,
        n_critic: Repeats = 5,
        n_critic_long: Repeats = 100,
        warm_up: Annotated[int, Field(ge=0, le=1_000_000)] = 25,
        long_every: AtLeastTwo | None = 500,
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
        self.objective = OBJECTIVES["wasserstein"]
        self.clip = clip
        self.latent_dim = latent_dim
        self.n_critic = n_critic
        self.long_steps = -(-n_critic_long // n_critic)
        self.warm_up = warm_up
        self.long_every = long_every
        self.setup()

    def phases(self):
        critic, generator = super().phases()
        return [critic, dataclasses.replace(generator, when=self._generator_moves)]

    def _generator_moves(self):
        """Whether the generator is updated in this step: at the end of `long_steps`, or in every one."""
        step, long_steps = ops.cast(self.step, "int32"), self.long_steps
        begun = self.warm_up * long_steps
        in_warm_up = ops.equal(step % long_steps, long_steps - 1)
        if self.long_every is None:
            return ops.logical_or(in_warm_up, step >= begun)
        # Steps since the last long training began, where one begins with every cycle of `long_every` updates.
        first = -self.warm_up % self.long_every
        in_cycle = (step - begun - first) % (long_steps + self.long_every - 1)
        later = ops.logical_or(step < begun + first, in_cycle >= long_steps - 1)
        return ops.where(step < begun, in_warm_up, later)
