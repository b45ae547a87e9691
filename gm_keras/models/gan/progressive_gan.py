"""Progressive growing of GANs (Karras, Aila, Laine & Lehtinen 2018, "Progressive Growing of GANs for Improved Quality,
Stability, and Variation", arXiv 1710.10196).

As in the paper: training starts with small images; each doubling fades in while alpha goes linearly from 0 to 1, in
generator, critic and data, and is then trained as it stands; equalized learning rate; pixelwise normalization of the
generator's features and of the latents; minibatch standard deviation in the critic; WGAN-GP's loss with a penalty of
weight 10 at random points between data and fakes, plus 0.001 times the mean square of the scores of data, one update
of the critic to one of the generator; nearest-neighbour enlarging, shrinking by averages, LeakyReLU 0.2, a generator
without a last activation. Adam forgets its moments when a stage begins, as in the authors' code. Samples come from an
average of the generator's weights where its optimizer says so (`use_ema: true`), as in the paper.

Differences from the paper: the first resolution is `base_size` (the paper's is 4), the last 8 to 32 rather than 1024;
the size of the batch is the same in all stages; alpha goes by updates instead of by images; the average of the
weights begins anew with each stage. In the first dense layer of the generator every unit has a bias of its own.
"""

import keras
from keras import ops

from gm_keras.losses.adversarial import OBJECTIVES
from gm_keras.losses.penalties import PENALTIES
from gm_keras.models.gan.base import GAN
from gm_keras.networks.progressive import (
    double,
    halve,
    is_fading,
    progressive_critics,
    progressive_generators,
    side_of,
    sides_for,
    stage_names,
)
from gm_keras.types import FilterList, ImageShape, NonNegativeFloat, PositiveInt, Side, Width


@keras.saving.register_keras_serializable("gm_keras")
class ProgressiveGAN(GAN):
    """GAN that grows from small images to large ones; optimizers "critic" and "generator".

    Training goes through `stages`, for example "8x8", "16x16_fade", "16x16": call `enter_stage(name)` and `fit` for
    each. Data have the full size in all stages. In a stage before the last, samples are what the generator of that
    stage makes, enlarged to the full size by repeating pixels. A saved model knows its stage and how far it is.

    Args:
        image_shape: (side, side, channels), the side base_size times a power of two; images in [-1, 1].
        latent_dim: Number of latent variables.
        filters: Of both networks at each resolution, from the first to the last.
        base_size: Side of the images of the first stage, in pixels.
        fade_steps: Training steps in which a new resolution fades in. A fading stage should last as long: a shorter
            one ends with a jump, in a longer one the rest is trained without fading.
        penalty_weight: Of the gradient penalty (lambda in the paper).
        drift: Weight of the mean square of the scores of data (epsilon_drift in the paper), which keeps them near 0.
    """

    critic_name = "critic"

    def __init__(
        self,
        image_shape: ImageShape,
        latent_dim: Width = 128,
        filters: FilterList = (128, 64, 32),
        base_size: Side = 8,
        fade_steps: PositiveInt = 1000,
        penalty_weight: NonNegativeFloat = 10.0,
        drift: NonNegativeFloat = 0.001,
        name: str | None = None,
    ):
        super().__init__(name=name)
        sides = sides_for(image_shape, base_size)
        if len(filters) != len(sides):
            raise ValueError(
                f"filters must have a number for each of the resolutions {', '.join(map(str, sides))} "
                f"(base_size={base_size} doubled), "
                f"not {tuple(filters)}"
            )

        # ---- networks ----
        self.stages = stage_names(sides)
        self.generators = progressive_generators(latent_dim, image_shape, filters, base_size)
        self.critics = progressive_critics(image_shape, filters, base_size)

        # ---- state ----
        # The stage is a variable too: it is restored with the others, and then entering it changes nothing.
        self.stage_index, self.stage_start = (
            self.add_weight(
                shape=(), dtype="int32", initializer="zeros", trainable=False, name=each
            )
            for each in ("stage_index", "stage_start")
        )

        # ---- config ----
        self.objective = OBJECTIVES["wasserstein"]
        self.penalty = PENALTIES["gradient_penalty"]
        self.penalty_weight = penalty_weight
        self.drift = drift
        self.latent_dim = latent_dim
        self.fade_steps = fade_steps
        self.setup()

    def _players(self):
        return self.critics[self.stage], self.generators[self.stage]

    def inference_networks(self):
        """The generator of the last stage; its images may leave [-1, 1] a little."""
        return {"generator": self.generators[self.stages[-1]]}

    def enter_stage(self, name):
        """Goes on with another stage: alpha starts anew, and optimizers forget their gradients.

        Entering the stage that the model is in (by its variables, also after loading) changes nothing.
        """
        super().enter_stage(name)
        index = self.stages.index(name)
        if index == int(self.stage_index):
            return
        self.stage_index.assign(index)
        self.stage_start.assign(ops.convert_to_numpy(self.step).copy())
        if self.compiled:
            self.optimizer.forget()

    def alpha(self):
        """How far the present stage's resolution has faded in: a function of the state alone.

        From 1 / fade_steps in the first step (at 0 the new layers would learn nothing) to 1 in the last.
        """
        steps = ops.cast(self.step - self.stage_start + 1, "float32")
        return ops.minimum(steps / float(self.fade_steps), 1.0)

    def _call(self, network, inputs, training):
        if is_fading(self.stage):
            inputs = [inputs, ops.broadcast_to(self.alpha(), (ops.shape(inputs)[0],))]
        return super()._call(network, inputs, training)

    def _data(self, x):
        return self._shrunk(x)

    def _shrunk(self, images):
        """Data as the present stage sees them; while it fades in, mixed with their half-resolution version."""
        for _ in range(self._halvings()):
            images = halve(images)
        if is_fading(self.stage):
            alpha = self.alpha()
            images = (1.0 - alpha) * double(halve(images)) + alpha * images
        return images

    def _halvings(self):
        return (self.data_shape[0] // side_of(self.stage)).bit_length() - 1

    def _decode(self, latents, conditions):
        """Images cut to [-1, 1] and enlarged to the full size."""
        images = ops.clip(super()._decode(latents, conditions), -1.0, 1.0)
        for _ in range(self._halvings()):
            images = double(images)
        return images
