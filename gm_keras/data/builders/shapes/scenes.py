"""What is on a picture of `shapes`: drawn for many pictures at a time."""

from dataclasses import dataclass

import numpy as np

SIDE = 32
#: The most objects of a picture.
MOST = 3

SHAPES = ("circle", "square", "triangle", "star", "heart", "cross")
COLOURS = {
    "red": (214, 40, 40),
    "orange": (240, 132, 24),
    "yellow": (244, 206, 40),
    "green": (52, 150, 66),
    "turquoise": (60, 192, 190),
    "blue": (40, 84, 204),
    "purple": (142, 58, 176),
    "black": (44, 44, 52),
}
SIZES = ("small", "large")
TEXTURES = ("plain", "striped")

#: Shapes and colours that come together in the split `unseen` alone.
UNSEEN = (
    ("heart", "red"),
    ("square", "orange"),
    ("star", "yellow"),
    ("triangle", "green"),
    ("cross", "turquoise"),
    ("circle", "blue"),
    ("heart", "purple"),
    ("star", "black"),
)

# In pixels, from the centre to about the rim.
_RADII = ((4.1, 4.6), (6.5, 7.3))
_MARGIN, _GAP = 0.7, 1.1


@dataclass(frozen=True)
class Scenes:
    """The objects of n pictures; the first of a picture is the main one, and the others are small.

    Attributes:
        count: Objects of each picture, 1 to 3, (n,). What follows means nothing for the others, and is 0 there.
        shape: Places in `SHAPES`, (n, 3).
        colour: Places in `COLOURS`, (n, 3).
        size: Places in `SIZES`, (n, 3).
        texture: Places in `TEXTURES`, (n, 3).
        position: The centres in pixels from the upper left corner, to the right and down, (n, 3, 2).
        radius: From the centre to about the rim, in pixels, (n, 3).
        tilt: The tangent of half the angle by which an object is turned, (n, 3).
        light: Where the light comes from, a vector of length 1 to the right and down, (n, 2).
        ground: The colour of the ground, 0 to 255, (n, 3).
        phase: Where stripes begin, from 0 to 1, (n, 3).
    """

    count: np.ndarray
    shape: np.ndarray
    colour: np.ndarray
    size: np.ndarray
    texture: np.ndarray
    position: np.ndarray
    radius: np.ndarray
    tilt: np.ndarray
    light: np.ndarray
    ground: np.ndarray
    phase: np.ndarray

    @property
    def there(self) -> np.ndarray:
        """Which objects there are, bool (n, 3)."""
        return np.arange(MOST) < self.count[:, None]


def draw(n: int, seed: int, unseen: bool = False) -> Scenes:
    """Draws what is on n pictures.

    One, two and three objects are equally frequent, as are shapes, colours and textures among what is allowed, and
    the sizes of an object that is alone. Where there are several, the main one is large and the others small. No two
    objects of a picture have both the shape and the colour in common, and none touches another.

    Args:
        n: How many.
        seed: Chooses them.
        unseen: The main object is one of `UNSEEN`; otherwise no object is.
    """
    # Nothing but arithmetic that is the same on every machine: no sine, no normal distribution.
    generator = np.random.default_rng([seed, SIDE])
    held = np.array([_pair(*each) for each in UNSEEN])
    seen = np.setdiff1d(np.arange(len(SHAPES) * len(COLOURS)), held)
    count = generator.integers(1, MOST + 1, n)
    pairs = _distinct(generator, n, seen)
    if unseen:
        pairs[:, 0] = held[generator.integers(len(held), size=n)]
    size = np.zeros((n, MOST), "int64")
    size[:, 0] = np.where(count == 1, generator.integers(2, size=n), 1)
    texture = generator.integers(2, size=(n, MOST))
    low, high = np.array(_RADII).T
    radius = low[size] + (high - low)[size] * generator.random((n, MOST))
    there = np.arange(MOST) < count[:, None]
    position = _placed(generator, radius, there)
    tilt = 0.11 * (2.0 * generator.random((n, MOST)) - 1.0)
    # From above, on the left or on the right.
    light = np.stack([1.6 * generator.random(n) - 0.8, -0.6 - 0.4 * generator.random(n)], axis=-1)
    light /= np.sqrt((light**2).sum(axis=-1, keepdims=True))
    ground = 178.0 + 34.0 * generator.random((n, 1)) + 12.0 * (generator.random((n, 3)) - 0.5)
    phase = generator.random((n, MOST))
    shape, colour = pairs // len(COLOURS), pairs % len(COLOURS)
    return Scenes(
        count=count,
        shape=shape * there,
        colour=colour * there,
        size=size * there,
        texture=texture * there,
        position=position * there[..., None],
        radius=radius * there,
        tilt=tilt * there,
        light=light,
        ground=ground,
        phase=phase * there,
    )


def _pair(shape: str, colour: str) -> int:
    return SHAPES.index(shape) * len(COLOURS) + list(COLOURS).index(colour)


def _distinct(generator: np.random.Generator, n: int, pairs: np.ndarray) -> np.ndarray:
    """Three different ones of `pairs` for each picture, all equally probable: (n, 3)."""
    first = generator.integers(len(pairs), size=n)
    second = (first + generator.integers(1, len(pairs), size=n)) % len(pairs)
    third = generator.integers(len(pairs) - 2, size=n)
    # Skips the two that are taken.
    low, high = np.minimum(first, second), np.maximum(first, second)
    third += third >= low
    third += third >= high
    return pairs[np.stack([first, second, third], axis=-1)]


def _placed(generator: np.random.Generator, radius: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Centres so that all is within the picture and nothing touches: (n, 3, 2)."""
    reach = radius[..., None] * 1.1 + _MARGIN
    position = np.zeros((*radius.shape, 2))
    left = np.arange(len(radius))
    apart = radius[:, :, None] + radius[:, None, :]
    both = there[:, :, None] & there[:, None, :] & ~np.eye(MOST, dtype=bool)
    while len(left):
        position[left] = reach[left] + (SIDE - 2.0 * reach[left]) * generator.random(
            (len(left), MOST, 2)
        )
        offset = position[left][:, :, None] - position[left][:, None]
        distance = np.sqrt((offset**2).sum(axis=-1))
        touches = both[left] & (distance < apart[left] * 1.1 + _GAP)
        left = left[touches.any(axis=(1, 2))]
    return position
