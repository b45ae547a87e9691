"""Paints what is on the pictures of `shapes`."""

import numpy as np

from gm_keras.data.builders.shapes.scenes import COLOURS, MOST, SHAPES, SIDE, SIZES, Scenes

#: What a pixel of a mask is.
CLASSES = ("background", *SHAPES)

# How far the light brightens and darkens an object from side to side, and the ground.
_SHADING, _GLOSS, _GROUND_SHADING = 0.2, 14.0, 0.05
_SHADOW, _SHADOW_OFFSET, _SHADOW_WIDTH = 0.34, 1.5, 3.2
# The width of a stripe and the gap beside it, in radii and pixels; and how much of white is in the gap.
_PERIOD, _LEAST_PERIOD, _WHITE = 0.4, 2.6, 0.45
_PALETTE = np.array(list(COLOURS.values()), "float32")
# Pixels around the centre of an object, its shadow included, by its size; and what is painted beyond the picture.
_WINDOWS = (9, 13)
_BEYOND = max(_WINDOWS)
# Pictures painted together.
_TOGETHER = 500
# The normals of a pentagon's sides, and of a triangle's.
_FIVE = (
    (0.0, 1.0),
    (0.9510565162951535, 0.3090169943749474),
    (0.5877852522924731, -0.8090169943749475),
    (-0.5877852522924731, -0.8090169943749475),
    (-0.9510565162951535, 0.3090169943749474),
)
_THREE = ((0.0, 1.0), (0.8660254037844386, -0.5), (-0.8660254037844386, -0.5))


def paint(scenes: Scenes) -> tuple[np.ndarray, np.ndarray]:
    """Paints pictures.

    Args:
        scenes: What is on n pictures.

    Returns:
        Pictures uint8 (n, 32, 32, 3), and masks uint8 (n, 32, 32, 1): places in `CLASSES`, by what covers at least
        half of a pixel.
    """
    n = len(scenes.count)
    pictures = np.empty((n, SIDE, SIDE, 3), "uint8")
    masks = np.zeros((n, SIDE, SIDE, 1), "uint8")
    for start in range(0, n, _TOGETHER):
        rows = np.arange(start, min(start + _TOGETHER, n))
        pictures[rows], masks[rows, ..., 0] = _paint(scenes, rows)
    return pictures, masks


def _paint(scenes: Scenes, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    side = SIDE + 2 * _BEYOND
    canvas = np.zeros((len(rows), side, side, 3), "float32")
    mask = np.zeros((len(rows), side, side), "uint8")
    middle = slice(_BEYOND, _BEYOND + SIDE)
    canvas[:, middle, middle] = _ground(scenes, rows)
    groups = [
        _Group(scenes, rows, place, shape, size)
        for place in range(MOST)
        for shape in range(len(SHAPES))
        for size in range(len(SIZES))
    ]
    for group in groups:
        canvas[group.window] *= 1.0 - group.shadow()[..., None]
    for group in groups:
        inside = group.inside()
        under = canvas[group.window]
        canvas[group.window] = under + inside[..., None] * (group.colours() - under)
        mask[group.window] = np.where(inside >= 0.5, group.shape + 1, mask[group.window])
    pictures = np.rint(np.clip(canvas[:, middle, middle], 0.0, 255.0)).astype("uint8")
    return pictures, mask[:, middle, middle]


def _ground(scenes: Scenes, rows: np.ndarray) -> np.ndarray:
    """The ground, a little brighter towards the light."""
    middle = (np.arange(SIDE, dtype="float32") + 0.5) / (SIDE / 2) - 1.0
    light = scenes.light[rows].astype("float32")
    lit = middle[:, None] * light[:, 1, None, None] + middle * light[:, 0, None, None]
    return scenes.ground[rows].astype("float32")[:, None, None] * (
        1.0 + _GROUND_SHADING * lit[..., None]
    )


class _Group:
    """Objects of one shape and one size, each on a picture of its own: what is painted around their centres.

    Attributes:
        shape: The place in `SHAPES`.
        window: Where they are on a canvas, as an index.
    """

    def __init__(self, scenes: Scenes, rows: np.ndarray, place: int, shape: int, size: int):
        chosen = np.flatnonzero(
            scenes.there[rows, place]
            & (scenes.shape[rows, place] == shape)
            & (scenes.size[rows, place] == size)
        )
        which, self.shape = rows[chosen], shape
        steps = np.arange(-_WINDOWS[size], _WINDOWS[size] + 1)
        corner = np.floor(scenes.position[which, place]).astype("int64")
        across, down = corner[:, 0, None] + steps, corner[:, 1, None] + steps
        self.window = (
            chosen[:, None, None],
            down[:, :, None] + _BEYOND,
            across[:, None, :] + _BEYOND,
        )
        # Of each pixel, from the centre of the object; the rest by picture.
        self.x = (across + 0.5 - scenes.position[which, place, 0, None])[:, None, :].astype(
            "float32"
        )
        self.y = (down + 0.5 - scenes.position[which, place, 1, None])[:, :, None].astype("float32")
        self.radius, self.half, self.phase = (
            values[which, place, None, None].astype("float32")
            for values in (scenes.radius, scenes.tilt, scenes.phase)
        )
        self.light = scenes.light[which].astype("float32")[:, :, None, None]
        self.colour = _PALETTE[scenes.colour[which, place]][:, None, None]
        self.striped = (scenes.texture[which, place] == 1)[:, None, None]

    def shadow(self) -> np.ndarray:
        """How dark the soft shadow is."""
        u, v = self._turned(
            self.x + _SHADOW_OFFSET * self.light[:, 0], self.y + _SHADOW_OFFSET * self.light[:, 1]
        )
        outside = _distance(self.shape, u, v) * self.radius
        return _SHADOW * np.clip(0.5 - outside / _SHADOW_WIDTH, 0.0, 1.0)

    def inside(self) -> np.ndarray:
        """How far the object covers each pixel, 0 to 1."""
        u, v = self._turned(self.x, self.y)
        return np.clip(0.5 - _distance(self.shape, u, v) * self.radius, 0.0, 1.0)

    def colours(self) -> np.ndarray:
        """The object's colour in each pixel, with stripes and light."""
        u, v = self._turned(self.x, self.y)
        period = _PERIOD * self.radius + _LEAST_PERIOD
        place = ((u + v) * self.radius * 0.70710678 / period + self.phase) % 1.0
        # Half of each period, with soft sides a pixel wide.
        gap = np.clip((np.abs(place - 0.5) - 0.25) * period + 0.5, 0.0, 1.0)
        white = (gap * self.striped * _WHITE)[..., None]
        lit = ((self.x * self.light[:, 0] + self.y * self.light[:, 1]) / self.radius)[..., None]
        colour = self.colour + (255.0 - self.colour) * white
        return colour * (1.0 + _SHADING * lit) + _GLOSS * np.clip(lit, 0.0, 1.0)

    def _turned(self, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pixels as the object sees them: turned, in its radii."""
        square = self.half**2
        cosine, sine = (1.0 - square) / (1.0 + square), 2.0 * self.half / (1.0 + square)
        return (cosine * x + sine * y) / self.radius, (cosine * y - sine * x) / self.radius


def _distance(shape: int, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """About how far a point lies outside of a shape of radius 1; negative within. v grows downwards."""
    match SHAPES[shape]:
        case "circle":
            return np.sqrt(u**2 + v**2) - 0.97
        case "square":
            return np.maximum(np.abs(u), np.abs(v)) - 0.84
        case "triangle":
            v = v - 0.2
            return np.maximum.reduce([a * u + b * v for a, b in _THREE]) - 0.58
        case "star":
            return _star(u, v)
        case "heart":
            return _heart(u, v - 0.14)
    bars = np.abs(u), np.abs(v)
    upright = np.maximum(bars[0] - 0.34, bars[1] - 0.98)
    level = np.maximum(bars[0] - 0.98, bars[1] - 0.34)
    return np.minimum(upright, level)


def _star(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """What lies beyond at most one of the five sides of a pentagon, with tips a little blunt."""
    highest = second = np.full_like(u, -np.inf)
    for a, b in _FIVE:
        side = a * u + b * v
        second = np.maximum(second, np.minimum(highest, side))
        highest = np.maximum(highest, side)
    return np.maximum(second - 0.4, np.sqrt(u**2 + v**2) - 1.1)


def _heart(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """A square on its tip, and a half circle on each of its upper sides."""
    half = 0.76
    root = 1.4142135623730951
    square = (np.abs(u) + np.abs(v) - half) / root
    circle = np.sqrt((np.abs(u) - half / 2.0) ** 2 + (v + half / 2.0) ** 2) - half / root
    return np.minimum(square, circle)
