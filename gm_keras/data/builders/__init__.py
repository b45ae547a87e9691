"""TFDS builders of our own data sets: none of them needs a network."""

from gm_keras.data.builders.bars import Bars
from gm_keras.data.builders.densities import Gaussians, Moons
from gm_keras.data.builders.digits import Digits
from gm_keras.data.builders.glyphs import Glyphs
from gm_keras.data.builders.shapes import Shapes

BUILDERS = {
    "bars": Bars,
    "digits": Digits,
    "gaussians": Gaussians,
    "glyphs": Glyphs,
    "moons": Moons,
    "shapes": Shapes,
}

__all__ = ["BUILDERS", "Bars", "Digits", "Gaussians", "Glyphs", "Moons", "Shapes"]
