"""Denoising diffusion (Ho, Jain & Abbeel 2020, "Denoising Diffusion Probabilistic Models", arXiv 2006.11239).

Differences from the paper: smaller networks, with 8 groups in the group normalizations instead of 32 and, by
default, two resolutions instead of four; besides the linear schedule the cosine one (Nichol & Dhariwal 2021, arXiv
2102.09672); besides the ancestral sampler, which can skip times as theirs can, DDIM (Song, Meng & Ermon 2021,
arXiv 2010.02502), the default; labels with classifier-free guidance (Ho & Salimans 2022, arXiv 2207.12598); a
fully connected network for vectors, whose last step has a normal density; the time is 1 to T as in the text, not 0
to T - 1 as in the authors' code, and is embedded as if T were 1000; the discretized likelihood is not clamped at
1e-12. The moving average of the weights, without which the samples are poor, is the optimizer's:
`keras.optimizers.Adam(use_ema=True, ema_momentum=...)`.
"""

from collections.abc import Sequence
from typing import Annotated, Literal

import keras
from keras import ops
from pydantic import Field

from gm_keras.core import Phase
from gm_keras.models.diffusion.base import DiffusionModel
from gm_keras.models.diffusion.schedules import SCHEDULES
from gm_keras.networks.unet import timed_dense, unet
from gm_keras.ops.random import NoiseSeeds
from gm_keras.types import (
    Categories,
    Depth,
    Filters,
    Fraction,
    Levels,
    Repeats,
    Shape,
    Side,
    Timesteps,
    Widths,
)


@keras.saving.register_keras_serializable("gm_keras")
class DDPM(DiffusionModel):
    """Denoising diffusion model that predicts the noise, with a U-Net for images or a dense one for vectors.

    Args:
        image_shape: Shape of one example: (height, width, channels), or (features,) with the dense network.
        timesteps: T, the number of steps of the forward process.
        schedule: "linear" (the paper's) or "cosine" (better for small images).
        variance: Of the reverse process in the bound and the ancestral sampler: "beta" or "beta_tilde".
        network: "unet" or "dense".
        filters: Of the U-Net at full resolution; a multiple of 8.
        multipliers: Of `filters` at each resolution; each after the first halves the image.
        blocks: Residual blocks of the U-Net at each resolution.
        attention: Heights of feature maps with self-attention (between the ways down and up there always is).
        units: Widths of the residual blocks of the dense network.
        dropout: In each residual block.
        levels: Number of grey levels of the data, or None for continuous data.
        num_classes: Condition on a label of so many classes.
        label_dropout: The share of labels hidden in training, from which the model learns to do without; with 0 it
            does not, and cannot be guided.
    """

    fused_positions = 64

    def __init__(
        self,
        image_shape: Shape,
        timesteps: Timesteps = 1000,
        schedule: Literal["linear", "cosine"] = "linear",
        variance: Literal["beta", "beta_tilde"] = "beta",
        network: Literal["unet", "dense"] = "unet",
        filters: Filters = 32,
        multipliers: Annotated[Sequence[Repeats], Field(min_length=1, max_length=13)] = (1, 2),
        blocks: Depth = 2,
        attention: Sequence[Side] = (4, 7),
        units: Widths = (128, 128, 128),
        dropout: Fraction = 0.1,
        levels: Levels | None = None,
        num_classes: Categories | None = None,
        label_dropout: Fraction = 0.1,
        name: str | None = None,
    ):
        super().__init__(name=name)
        if (network == "unet") != (len(image_shape) == 3):
            raise ValueError(
                'network must be "unet" for images and "dense" for vectors, not '
                f"{network!r} with the shape {tuple(image_shape)}"
            )

        # ---- networks ----
        common = {"dropout": dropout, "timesteps": timesteps, "num_classes": num_classes}
        if network == "unet":
            self.denoiser = unet(
                image_shape,
                filters=filters,
                multipliers=multipliers,
                blocks=blocks,
                attention=attention,
                name="denoiser",
                **common,
            )
        else:
            self.denoiser = timed_dense(image_shape[0], units=units, name="denoiser", **common)

        # ---- state ----
        self.seed_generator = NoiseSeeds(0)

        # ---- config ----
        self.timesteps = timesteps
        self.schedule = SCHEDULES[schedule](timesteps)
        self.variance = variance
        self.reverse_variance = self.schedule.reverse_variance(variance)
        self.levels = levels
        self.num_classes = num_classes
        self.label_dropout = label_dropout
        self.setup()

    def phases(self):
        return [Phase("noise", self._loss, (self.denoiser,))]

    def _loss(self, batch, training):
        x = batch[self.data_field]
        size = ops.shape(x)[0]
        time = keras.random.randint((size,), 1, self.timesteps + 1, seed=self.seed_generator)
        noise = keras.random.normal(ops.shape(x), seed=self.seed_generator)
        conditions = self.told_in(batch, training)
        predicted = self._noise(self._diffuse(x, time, noise), time, conditions, training)
        return ops.mean(ops.square(noise - predicted))
