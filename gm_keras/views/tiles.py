"""Values of a field as images of one size, which can be put beside each other."""

import colorsys

import numpy as np
from PIL import Image, ImageDraw

from gm_keras.fields.strokes import ENDED, UP

# Lines are drawn so many times larger, and then made smaller: so they are smooth.
_FINER = 4
# Who looks stands to one side and above: the cosine and sine of both angles.
_YAW, _PITCH = (0.819152, 0.573576), (0.866025, 0.5)


def masks(values: np.ndarray) -> np.ndarray:
    """Colours a class for each pixel.

    Args:
        values: Integers `(n, height, width, 1)`; 0, the background, becomes light grey.

    Returns:
        Images `(n, height, width, 3)` in [-1, 1]: a class has the same colour in every picture.
    """
    codes = np.asarray(values)[..., 0].astype("int64")
    table = np.array([_colour(code) for code in range(max(int(codes.max(initial=0)), 0) + 1)])
    return (2.0 * table[np.maximum(codes, 0)] - 1.0).astype("float32")


def _colour(code: int) -> tuple[float, float, float]:
    if code == 0:
        return 0.93, 0.93, 0.93
    # The golden angle: hues of classes that follow each other lie far apart, and never come again.
    hue = (0.03 + 0.618034 * (code - 1)) % 1.0
    return colorsys.hsv_to_rgb(hue, 0.75 - 0.25 * (code // 7 % 2), 0.85 - 0.2 * (code // 14 % 2))


def drawings(values: np.ndarray, size: int = 64) -> np.ndarray:
    """Draws strokes, each drawing as large as its square allows.

    Args:
        values: `(n, length, 3)` of dx, dy and pen, as `gm_keras.fields` has them.
        size: The side of an image in pixels.

    Returns:
        Grey images `(n, size, size, 1)` in [-1, 1], black on white.
    """
    made = np.empty((len(values), size, size, 1), "float32")
    for image, value in zip(made, values, strict=True):
        canvas = Image.new("L", (size * _FINER, size * _FINER), 255)
        pen = ImageDraw.Draw(canvas)
        width = max(1, round(size * _FINER / 40))
        for line in lines(value, size * _FINER):
            points = [tuple(point) for point in line.tolist()]
            if len(points) > 1:
                pen.line(points, fill=0, width=width, joint="curve")
            # A dot, and a round end.
            for x, y in (points[0], points[-1]):
                pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill=0)
        small = canvas.resize((size, size), Image.Resampling.BOX)
        image[..., 0] = np.asarray(small, "float32") / 127.5 - 1.0
    return made


def lines(value: np.ndarray, size: float) -> list[np.ndarray]:
    """The lines of one drawing, each of (points, 2), brought into a square of that side."""
    value = np.nan_to_num(np.asarray(value, "float64"))
    pen = np.rint(value[:, 2])
    ended = np.flatnonzero(pen >= ENDED)
    length = int(ended[0]) if len(ended) else len(value)
    if not length:
        return []
    points = np.cumsum(value[:length, :2], axis=0)
    low, high = points.min(axis=0), points.max(axis=0)
    scale = 0.86 * size / max(float((high - low).max()), 1e-6)
    placed = (points - (low + high) / 2.0) * scale + size / 2.0
    lifted = np.flatnonzero(pen[:length] == UP) + 1
    return [line for line in np.split(placed, lifted) if len(line)]


def volumes(values: np.ndarray, size: int = 64) -> np.ndarray:
    """Looks at voxels from above and from the side; what is nearer is brighter.

    Args:
        values: `(n, depth, height, width, 1 or 3)` in [-1, 1]: what is above 0 is there, in its colour where there are
            three channels (there a channel above -0.9 is enough).
        size: The side of an image in pixels.

    Returns:
        Images `(n, size, size, channels)` in [-1, 1].
    """
    values = np.nan_to_num(np.asarray(values, "float32"))
    n, *shape, channels = values.shape
    solid = (values > (0.0 if channels == 1 else -0.9)).any(axis=-1)
    half = max(shape) * 0.87  # of the diagonal of a cube
    across = (np.arange(size) + 0.5) / size * 2.0 - 1.0
    steps = np.linspace(-1.0, 1.0, 2 * max(shape))
    # Of every pixel and step: to the right, down and away, in the axes of who looks.
    away, down, right = np.meshgrid(steps, across, across, indexing="ij")
    y, z = _PITCH[0] * down + _PITCH[1] * away, _PITCH[0] * away - _PITCH[1] * down
    x, z = _YAW[0] * right + _YAW[1] * z, _YAW[0] * z - _YAW[1] * right
    place = [
        np.floor(axis * half + length / 2.0).astype("int64")
        for axis, length in zip((z, y, x), shape, strict=True)
    ]
    within = np.logical_and.reduce(
        [(axis >= 0) & (axis < length) for axis, length in zip(place, shape, strict=True)]
    )
    place = [np.clip(axis, 0, length - 1) for axis, length in zip(place, shape, strict=True)]
    pixel = tuple(np.indices((size, size)))
    made = np.full((n, size, size, channels), 1.0, "float32")
    for image, volume, filled in zip(made, values, solid, strict=True):
        hit = filled[tuple(place)] & within
        first = hit.argmax(axis=0)
        seen = hit.any(axis=0)
        near = 1.0 - first / len(steps)
        where = tuple(axis[(first, *pixel)] for axis in place)
        # Brighter where it is near, and darker at an edge.
        shade = (0.25 + 0.75 * near)[..., None] * _edges(first)[..., None]
        colour = volume[where] * 0.5 + 0.5 if channels == 3 else np.ones((size, size, 1))
        image[seen] = (2.0 * colour * shade - 1.0)[seen]
    return made


def _edges(first: np.ndarray) -> np.ndarray:
    """Darker where what is seen falls away from its left and upper neighbour."""
    depth = first.astype("float64")
    fall = np.abs(np.diff(depth, axis=0, prepend=depth[:1])) + np.abs(
        np.diff(depth, axis=1, prepend=depth[:, :1])
    )
    return 1.0 - 0.35 * np.clip(fall / 4.0, 0.0, 1.0)


def waves(values: np.ndarray, size: tuple[int, int] = (48, 160)) -> np.ndarray:
    """Draws sounds: the lowest and highest sample of each column.

    Args:
        values: `(n, samples)` in [-1, 1].
        size: The height and width of an image.

    Returns:
        Grey images `(n, height, width, 1)` in [-1, 1], black on white.
    """
    values = np.clip(np.nan_to_num(np.asarray(values, "float32")), -1.0, 1.0)
    height, width = size
    edges = np.linspace(0, values.shape[1], width + 1).astype("int64")
    starts = np.minimum(edges[:-1], values.shape[1] - 1)
    low = np.minimum.reduceat(values, starts, axis=1)[:, None, :]
    high = np.maximum.reduceat(values, starts, axis=1)[:, None, :]
    rows = (1.0 - 2.0 * (np.arange(height) + 0.5) / height)[None, :, None]
    inside = (rows <= high + 1.0 / height) & (rows >= low - 1.0 / height)
    return np.where(inside, -1.0, 1.0)[..., None].astype("float32")
