"""Pictures of samples: grids of images, scatter plots of points."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageDraw, ImageFont

#: How long a film shows a frame, in milliseconds.
FRAME = 125
#: Pixels between the images of a grid, however much these are enlarged.
GAP = 4
#: The grey of a place that no image has.
EMPTY = 224


def grid(images: np.ndarray, columns: int | None = None, size: int = 480) -> np.ndarray:
    """Lays images out in rows, `GAP` pixels apart.

    Args:
        images: `(n, height, width, channels)` in [-1, 1], 1 or 3 channels.
        columns: Images in a row; by default the grid is about square.
        size: The images are enlarged by a whole factor, so that the picture has about this width in pixels.

    Returns:
        A picture `(height, width, 3)`, uint8.
    """
    n, height, width, _ = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    values = np.clip(np.nan_to_num(images), -1.0, 1.0) * 127.5 + 127.5
    cells = np.full((rows * columns, height, width, 3), EMPTY, np.uint8)
    cells[:n] = np.round(values).astype("uint8")
    room = size - GAP * (columns - 1)
    return _laid_out(cells, columns, max(1, round(room / (columns * width))))


def smaller_grid(picture: np.ndarray, size: int) -> np.ndarray | None:
    """Makes a grid again, with the same images, each enlarged by a smaller whole factor.

    Args:
        picture: What `grid` returned; another picture counts as one image.
        size: The greatest width and height in pixels.

    Returns:
        A picture; None where even images of their own size take more.
    """
    rows, columns = (_cells((picture == 255).all(axis=(across, 2))) for across in (1, 0))
    height, width = (
        (picture.shape[0] + GAP) // rows - GAP,
        (picture.shape[1] + GAP) // columns - GAP,
    )
    framed = np.full((picture.shape[0] + GAP, picture.shape[1] + GAP, 3), 255, np.uint8)
    framed[:-GAP, :-GAP] = picture
    cells = framed.reshape(rows, height + GAP, columns, width + GAP, 3).swapaxes(1, 2)
    cells = cells[:, :, :height, :width].reshape(-1, height, width, 3)
    cells = _unscaled(cells)
    factor = min(
        (size - GAP * (number - 1)) // (number * side)
        for number, side in zip((rows, columns), cells.shape[1:3], strict=True)
    )
    return _laid_out(cells, columns, factor) if factor >= 1 else None


def _laid_out(cells: np.ndarray, columns: int, factor: int) -> np.ndarray:
    cells = cells.repeat(factor, axis=1).repeat(factor, axis=2)
    cells = np.pad(cells, ((0, 0), (0, GAP), (0, GAP), (0, 0)), constant_values=255)
    n, height, width, _ = cells.shape
    picture = cells.reshape(n // columns, columns, height, width, 3).swapaxes(1, 2)
    return picture.reshape(n // columns * height, columns * width, 3)[:-GAP, :-GAP]


def _cells(white: np.ndarray) -> int:
    """The greatest number of equal parts between which all is white."""
    framed = np.append(white, np.ones(GAP, bool))
    return next(
        number
        for number in range(len(framed) // (GAP + 1), 0, -1)
        if len(framed) % number == 0 and framed.reshape(number, -1)[:, -GAP:].all()
    )


def _unscaled(cells: np.ndarray) -> np.ndarray:
    """Images as they were before each of their pixels became a square."""
    side = math.gcd(*cells.shape[1:3])
    for factor in range(side, 1, -1):
        small = cells[:, ::factor, ::factor]
        if side % factor == 0 and np.array_equal(
            small.repeat(factor, axis=1).repeat(factor, axis=2), cells
        ):
            return small
    return cells


def scatter(points: np.ndarray, real: np.ndarray | None = None) -> np.ndarray:
    """Draws points of which the first two features are shown.

    Args:
        points: `(n, features)`.
        real: Further points, drawn in grey below; they set the axes.

    Returns:
        A picture `(height, width, 3)`, uint8.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.8, 4.8), dpi=100, layout="tight")
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    frame = points if real is None else real
    low, high = frame[:, :2].min(axis=0), frame[:, :2].max(axis=0)
    margin = 0.25 * np.maximum(high - low, 1e-3)
    if real is not None:
        axes.scatter(real[:, 0], real[:, 1], s=3, c="#bbbbbb", label="data")
    axes.scatter(points[:, 0], points[:, 1], s=3, c="#3b6fd4", label="samples")
    axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
    axes.set_ylim(low[1] - margin[1], high[1] + margin[1])
    axes.legend(loc="upper right", markerscale=3)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def beside(*columns: np.ndarray) -> np.ndarray:
    """Puts images that belong together next to each other in a sequence.

    Args:
        *columns: Of `(n, height, width, channels)`; smaller ones are enlarged by whole factors, and grey
            ones become coloured beside coloured ones.

    Returns:
        The first of each, the second of each, ...: `(n * columns, height, width, channels)`.
    """
    height = max(each.shape[1] for each in columns)
    channels = max(each.shape[-1] for each in columns)
    scaled = []
    for each in columns:
        factor = height // each.shape[1]
        each = each.repeat(factor, axis=1).repeat(factor, axis=2)
        scaled.append(np.broadcast_to(each, (*each.shape[:3], channels)))
    return np.stack(scaled, axis=1).reshape(-1, *scaled[0].shape[1:])


def text(passages: Sequence[str], columns: int = 80, lines: int = 12) -> np.ndarray:
    """Draws passages of text below each other, in a typewriter's face.

    Args:
        passages: Any characters; what the face lacks is drawn as a box.
        columns: Longer lines are broken.
        lines: Of a passage; what is longer is cut.

    Returns:
        A picture `(height, width, 3)`, uint8.
    """
    import matplotlib

    face = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSansMono.ttf")
    font = ImageFont.truetype(str(face), 13)
    rows: list[str] = []
    for passage in passages:
        broken = [
            line[start : start + columns]
            for line in passage.replace("\t", "    ").split("\n")
            for start in range(0, max(len(line), 1), columns)
        ]
        rows += [*broken[:lines], "\u2500" * columns]
    step, width = 17, round(font.getlength("m") * columns) + 24
    picture = Image.new("RGB", (width, step * max(len(rows) - 1, 1) + 20), "white")
    pen = ImageDraw.Draw(picture)
    for number, row in enumerate(rows[:-1]):
        pen.text((12, 10 + step * number), row, fill="#222222", font=font)
    return np.asarray(picture).copy()


def save(picture: np.ndarray, target: str | Path | BinaryIO) -> None:
    """Writes a picture as PNG into a file, the same bytes for the same picture.

    Args:
        picture: `(height, width, 3)`, or a film `(frames, height, width, 3)`, uint8. A film is a PNG whose frames
            follow each other for ever; what shows no films shows its first.
        target: The file.
    """
    first, *others = (
        Image.fromarray(frame) for frame in (picture if picture.ndim == 4 else [picture])
    )
    film = (
        {"save_all": True, "append_images": others, "duration": FRAME, "loop": 0} if others else {}
    )
    first.save(target, format="PNG", optimize=False, **film)
