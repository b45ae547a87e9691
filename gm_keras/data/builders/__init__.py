"""TFDS builders of our own data sets: none of them needs a network."""

from gm_keras.data.builders.bars import Bars
from gm_keras.data.builders.densities import Gaussians, Moons
from gm_keras.data.builders.digits import Digits

BUILDERS = {"bars": Bars, "digits": Digits, "gaussians": Gaussians, "moons": Moons}

__all__ = ["BUILDERS", "Bars", "Digits", "Gaussians", "Moons"]
