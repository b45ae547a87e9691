"""Gated PixelCNN (van den Oord, Kalchbrenner, Vinyals, Espeholt, Graves & Kavukcuoglu 2016, "Conditional Image
Generation with PixelCNN Decoders", arXiv 1606.05328).

As in the paper: a vertical stack that sees the rows above and a horizontal one that sees the row to the left, so
that no pixel stays unseen; gates of tanh and sigmoid; a residual connection on the horizontal stack (not in the first
layer, where it would show a pixel to itself), and none on the vertical one; a 1 x 1 convolution from the vertical to
the horizontal stack; a vector of the class in each gate; features in groups, one for each colour, which are
predicted one after the other; a softmax over the levels of each value, after two 1 x 1 convolutions with ReLU.

Differences from the paper: small networks, with dropout, which small data sets need, trained by Adam; any number of
levels from 2 to 256; the vertical convolutions have the rows that count instead of shifted or cropped ones; no
conditioning on embeddings, or with a map for each position (the paper's m(h)); sampling keeps what a step can use
again (as Ramachandran et al. 2017, arXiv 1704.06001, do for other convolutional models), which changes its speed alone.
"""

from typing import Annotated

import keras
from pydantic import Field

from gm_keras.models.autoregressive.base import AutoregressiveModel
from gm_keras.networks.gated_pixelcnn import gated_pixelcnn
from gm_keras.types import (
    Categories,
    Depth,
    Filters,
    Fraction,
    ImageShape,
    OddKernel,
)


@keras.saving.register_keras_serializable("gm_keras")
class GatedPixelCNN(AutoregressiveModel):
    """Autoregressive model of images with few or many grey levels, with an exact likelihood.

    Each value of an image is taken for the nearest level.

    Args:
        image_shape: (height, width, channels); images in [-1, 1], 1 or 3 channels.
        levels: Number of equally spaced levels of each value, 2 to 256.
        filters: Features of each layer, p in the paper; a multiple of the channels.
        layers: Number of gated layers.
        kernel_size: Of all layers but the first; odd.
        first_kernel_size: Of the first layer; odd.
        hidden: Features between the two 1 x 1 convolutions at the end; a multiple of the channels.
        dropout: Fraction of the gated features dropped in training.
        num_classes: Condition on a label of so many classes.
    """

    def __init__(
        self,
        image_shape: ImageShape,
        levels: Annotated[int, Field(ge=2, le=256)] | None = None,
        filters: Filters = 32,
        layers: Depth = 7,
        kernel_size: OddKernel = 3,
        first_kernel_size: OddKernel = 7,
        hidden: Filters = 128,
        dropout: Fraction = 0.0,
        num_classes: Categories | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        if image_shape[-1] not in (1, 3):
            raise ValueError(f"image_shape must have 1 or 3 channels, not {tuple(image_shape)}")
        if levels is None:
            raise ValueError("levels must be given: how many each value of an image has, 2 to 256")

        # ---- networks ----
        self.network = gated_pixelcnn(
            image_shape,
            levels,
            filters=filters,
            depth=layers,
            kernel_size=kernel_size,
            first_kernel_size=first_kernel_size,
            hidden=hidden,
            dropout=dropout,
            num_classes=num_classes,
            name="network",
        )

        # ---- config ----
        self.levels = levels
        self.num_classes = num_classes
        self.setup()
