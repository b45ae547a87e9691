"""RealNVP (Dinh, Sohl-Dickstein & Bengio 2017, "Density estimation using Real NVP", arXiv 1605.08803).

As in the paper: couplings of two kinds in several scales, half of the values finished after each; the scale
through tanh with a learned factor; running batch normalization between the couplings; weight-normalized
residual networks, whose width doubles from scale to scale; a standard normal prior; dequantization and logits.

Differences from the paper: residual blocks of a 3 x 3 and a 1 x 1 convolution, without batch normalization in
them and without skip connections to the output, and few of them, as the images are small; each network sees the
kept values only, not also their negatives; alpha is the logit's margin on the unit interval; weight decay by the
optimizer instead of a penalty on the lengths of the weights; no mirrored images. Vectors have fully connected
networks and alternate their features.
"""

import math
from typing import Annotated

import keras
from pydantic import Field

from gm_keras.layers.logit import GreyLevelLogit
from gm_keras.models.flow.base import Flow
from gm_keras.networks.couplings import image_couplings, vector_couplings
from gm_keras.networks.multiscale import multiscale_flow
from gm_keras.ops.random import NoiseSeeds
from gm_keras.types import (
    Blocks,
    Cells,
    Depth,
    Filters,
    Flag,
    Fraction,
    Halvings,
    Levels,
    Shape,
    Widths,
)


@keras.saving.register_keras_serializable("gm_keras")
class RealNVP(Flow):
    """Normalizing flow of affine couplings, for images or vectors.

    Images with `levels` are discrete: uniform noise of one level is added in each step, and likelihoods are
    of the discrete images, estimated with one draw of the noise: on average a lower bound, and the mean of the
    exponential is the probability. Without `levels`, images are continuous values, taken as they are, without logits.
    `decode` is the exact inverse of `encode`: not rounded to the levels, where it may leave the range a little.

    Args:
        image_shape: Shape of one example: (height, width, channels), or (features,) with at least 2 features.
        levels: Number of grey levels of the images, or None for continuous data.
        cells: For vectors, for each feature the width of what belongs to one of its discrete values, which noise fills
            in each step; 0 for real numbers. A table knows its own.
        num_scales: Scales of an image, at the most; each but the last halves it, while its sides are even.
        couplings: For images, couplings of each kind at each scale, and one more at the last; for vectors,
            couplings in all. None: 3 for images, as in the paper, 8 for vectors.
        filters: Channels in the networks of the first scale; twice as many in each further one.
        blocks: Residual blocks in each of these networks.
        units: Widths of the hidden layers in the networks for vectors.
        batch_norm: Normalize after each coupling.
        momentum: Weight of the past in the running averages of that normalization.
        alpha: Between 0 and 0.5: the logit is of alpha + (1 - 2 alpha) y for grey y in [0, 1].
        dropout: Fraction dropped in the residual blocks in training.
    """

    def __init__(
        self,
        image_shape: Shape,
        levels: Levels | None = None,
        cells: Cells | None = None,
        num_scales: Halvings = 2,
        couplings: Depth | None = None,
        filters: Filters = 32,
        blocks: Blocks = 2,
        units: Widths = (64, 64),
        batch_norm: Flag = True,
        momentum: Fraction = 0.9,
        alpha: Annotated[float, Field(gt=0.0, lt=0.5)] = 0.05,
        dropout: Fraction = 0.0,
        name: str | None = None,
    ):
        super().__init__(name=name)
        images = len(image_shape) == 3
        if not images and image_shape[0] < 2:
            raise ValueError(f"image_shape must have at least 2 features, not {tuple(image_shape)}")
        if levels is not None and not images:
            raise ValueError("levels is for images only: leave it out for vectors")
        if couplings is not None and not images and couplings < 2:
            raise ValueError(f"couplings must be at least 2 for vectors, not {couplings}")

        # ---- networks ----
        normalization = {"momentum": momentum} if batch_norm else None
        if images:
            scales = image_couplings(
                image_shape,
                num_scales,
                couplings or 3,
                normalization,
                filters=filters,
                blocks=blocks,
                dropout=dropout,
            )
            if levels:
                scales[0].insert(0, GreyLevelLogit(levels, alpha))
        else:
            scales = [vector_couplings(image_shape[0], couplings or 8, normalization, units)]
        self.flow, self.decoder = multiscale_flow(image_shape, scales)
        self.encoder = keras.Model(self.flow.inputs, self.flow.outputs[0], name="encoder")

        # ---- state ----
        self.seed_generator = NoiseSeeds(0)

        # ---- config ----
        self.levels = levels
        self.cells = cells
        self.alpha = alpha
        self.size = math.prod(image_shape)
        self._check_cells(image_shape)
        self.setup()

    @property
    def data_range(self) -> tuple[float, float] | None:
        if not self.levels:
            return None
        # What the logit can take to the latents: the levels, their noise and a margin.
        end = self.levels / ((1.0 - 2.0 * self.alpha) * (self.levels - 1.0))
        return (-end, end)
