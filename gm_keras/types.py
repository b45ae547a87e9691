"""What the arguments of models may be: annotations that are checked, by `gm_keras.core.arguments`.

An upper bound is no advice: it is where a typing error would otherwise take all memory. Neither Keras nor anything of
this package is imported here, so that `params.yaml` can be checked by the same annotations without either.
"""

import math
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

Flag = bool
#: How many of something there are, whatever it is.
PositiveInt = Annotated[int, Field(ge=1, le=2**31 - 1)]
AtLeastTwo = Annotated[int, Field(ge=2, le=2**31 - 1)]
#: Of random numbers: every integer of 32 bits.
Seed = Annotated[int, Field(ge=0, lt=2**32)]

_LARGEST = 1e12
#: Of either sign.
SignedFloat = Annotated[float, Field(ge=-1e6, le=1e6)]
PositiveFloat = Annotated[float, Field(gt=0.0, le=_LARGEST)]
NonNegativeFloat = Annotated[float, Field(ge=0.0, le=_LARGEST)]
#: A part of a whole that is never all of it, such as a rate of dropout or what a moving average keeps.
Fraction = Annotated[float, Field(ge=0.0, lt=1.0)]
Probability = Annotated[float, Field(ge=0.0, le=1.0)]
#: What the most probable values make up together (top-p).
Mass = Annotated[float, Field(gt=0.0, le=1.0)]

#: The features of the widest convolution.
WIDEST = 4_096
#: The units of a dense layer.
Width = Annotated[int, Field(ge=1, le=8_192)]
Widths = Annotated[Sequence[Width], Field(min_length=1, max_length=64)]
#: Of a layer on each of two inputs, and of one on both.
ThreeWidths = Annotated[tuple[Width, Width, Width], Field(description="three widths")]
#: The units of hidden layers, which there need not be.
HiddenWidths = Annotated[Sequence[Width], Field(max_length=64)]
#: The features of a convolution.
Filters = Annotated[int, Field(ge=1, le=WIDEST)]
FilterList = Annotated[Sequence[Filters], Field(min_length=1, max_length=64)]
#: How many layers or stages are put on top of each other.
Depth = Annotated[int, Field(ge=1, le=256)]
#: Residual blocks, which there need not be.
Blocks = Annotated[int, Field(ge=0, le=256)]
#: How often something is done within one training step.
Repeats = Annotated[int, Field(ge=1, le=1_000)]
#: The steps of a process that goes on in time.
Timesteps = Annotated[int, Field(ge=1, le=100_000)]
#: How often an image is halved.
Halvings = Annotated[int, Field(ge=1, le=12)]
#: The side of a square kernel that has a middle.
OddKernel = Annotated[
    int,
    AfterValidator(lambda size: _held(size, size % 2 == 1)),
    Field(ge=3, le=63, description="an odd integer from 3 to 63"),
]
#: How many codes there are among the latents.
Codes = Annotated[int, Field(ge=1, le=64)]
CodesOrNone = Annotated[int, Field(ge=0, le=64)]
#: One of several classes or codes.
Class = Annotated[int, Field(ge=0, le=65_535)]
#: A number of samples, or 0.
Samples = Annotated[int, Field(ge=0, le=65_536)]
#: Grey levels of an image.
Levels = Annotated[int, Field(ge=2, le=65_536)]
#: For each feature of vectors what lies between one of its values and the next; 0 for real numbers.
Cells = Annotated[Sequence[NonNegativeFloat], Field(min_length=1)]
#: How many classes or codes there are.
Categories = Annotated[int, Field(ge=1, le=65_536)]
#: The side of an image or of a map of features.
Side = Annotated[int, Field(ge=1, le=4_096)]


def _held(value: Any, holds: bool) -> Any:
    if not holds:
        raise ValueError("out of range")
    return value


_MOST_VALUES = 2**20
_Sizes = Annotated[
    Sequence[Annotated[int, Field(ge=1, le=_MOST_VALUES)]],
    AfterValidator(lambda sizes: _held(sizes, math.prod(sizes) <= _MOST_VALUES)),
]
_IMAGE = "a shape (height, width, channels)"
_SIZE = f"of at most {_MOST_VALUES} values"
#: Of an image.
ImageShape = Annotated[
    _Sizes,
    AfterValidator(lambda sizes: _held(sizes, len(sizes) == 3)),
    Field(description=f"{_IMAGE} {_SIZE}"),
]
#: Of one example: an image or a vector.
Shape = Annotated[
    _Sizes,
    AfterValidator(lambda sizes: _held(sizes, len(sizes) in (1, 3))),
    Field(description=f"{_IMAGE}, or (features,) for vectors, {_SIZE}"),
]

#: What both players of a GAN minimize: the keys of `losses.adversarial.OBJECTIVES`.
Game = Literal[
    "non_saturating",
    "minimax",
    "least_squares",
    "least_squares_pearson",
    "hinge",
    "wasserstein",
    "lipschitz_log_sigmoid",
    "lipschitz_exp",
    "lipschitz_sqrt",
    "lipschitz_square",
]
#: What bounds the slope of a GAN's discriminator: the keys of `losses.penalties.PENALTIES`, or its weights are clipped.
Slope = Literal["clipping", "gradient_penalty", "max_gradient_penalty", "r1", "r2"]
