"""Pictures with words: grids of images with names of rows and columns, and plots of points.

The same input gives the same bytes.
"""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from gm_keras.images import EMPTY, GAP

# Pixels: the width that a grid has about, the greatest side of a cell.
WIDTH, SIDE = 640, 64
# Pixels: the height of letters, and the distance of words from what they name.
LETTERS, MARGIN = 13, 6
INK = "#222222"
# Colours of points by class; with more classes they would be told apart no longer.
COLOURS = 20
# Letters of a name in a legend.
LONGEST_LABEL = 24


def grid(
    images: np.ndarray,
    *,
    rows: Sequence[str] = (),
    columns: Sequence[str] = (),
    blocks: int | None = None,
    apart: Sequence[int] = (),
) -> np.ndarray:
    """Lays images out in rows and columns with names.

    Args:
        images: `(rows, columns, height, width, channels)` in [-1, 1], 1 or 3 channels; a cell of NaN stays empty.
        rows: A word for each row, on its left.
        columns: A word for each column, above it.
        blocks: A wider gap follows each block of so many rows.
        apart: Columns before which there is a wider gap.

    Returns:
        A picture `(height, width, 3)`, uint8.
    """
    n_rows, n_columns, height, width, _ = images.shape
    side = min(SIDE, WIDTH // n_columns)
    factor = max(1, side // width)
    cell = (width * factor, height * factor)
    wide = 4 * GAP
    left = max((_length(each) for each in rows), default=0)
    left += 2 * MARGIN if rows else 0
    top = LETTERS + MARGIN if columns else 0
    across = _places(n_columns, cell[0], [column in apart for column in range(n_columns)], wide)
    down = _places(
        n_rows, cell[1], [bool(blocks and row and row % blocks == 0) for row in range(n_rows)], wide
    )
    size = (left + across[-1] + cell[0], top + down[-1] + cell[1])
    picture = Image.new("RGB", size, "white")
    pen = ImageDraw.Draw(picture)
    for row, y in enumerate(down):
        for column, x in enumerate(across):
            pixels = _pixels(images[row, column], factor)
            picture.paste(Image.fromarray(pixels), (left + x, top + y))
        if rows:
            place = (left - MARGIN, top + y + cell[1] // 2)
            pen.text(place, rows[row], fill=INK, font=_font(), anchor="rm")
    for x, word in zip(across, columns, strict=False):
        pen.text((left + x + cell[0] // 2, 0), word, fill=INK, font=_font(), anchor="ma")
    return np.asarray(picture).copy()


def _pixels(image: np.ndarray, factor: int) -> np.ndarray:
    if np.isnan(image).all():
        values = np.full(image.shape, EMPTY, "uint8")
    else:
        values = np.clip(np.nan_to_num(image), -1.0, 1.0) * 127.5 + 127.5
        values = np.round(values).astype("uint8")
    values = np.broadcast_to(values, (*image.shape[:2], 3))
    return np.ascontiguousarray(values.repeat(factor, axis=0).repeat(factor, axis=1))


def _places(n: int, side: int, wide_before: Sequence[bool], wide: int) -> list[int]:
    gaps = [0, *(wide if wide_before[index] else GAP for index in range(1, n))]
    return list(np.cumsum(gaps) + side * np.arange(n))


@cache
def _font() -> ImageFont.FreeTypeFont:
    import matplotlib

    face = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return ImageFont.truetype(str(face), LETTERS)


def _length(word: str) -> int:
    return round(_font().getlength(word))


class Plot:
    """Axes on which points are drawn, and then a picture of them.

    Args:
        panels: (rows, columns) of axes that share their limits.
        size: Of one panel, in inches at 100 pixels an inch.
    """

    def __init__(self, panels: tuple[int, int] = (1, 1), size: tuple[float, float] = (6.4, 4.8)):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure_size = (size[0] * panels[1], size[1] * panels[0])
        figure = Figure(figsize=figure_size, dpi=100, layout="constrained")
        self.canvas = FigureCanvasAgg(figure)
        shared = panels != (1, 1)
        axes = figure.subplots(*panels, squeeze=False, sharex=shared, sharey=shared)
        self.panels = axes
        self.axes = axes[0, 0]

    def picture(self) -> np.ndarray:
        """What was drawn: `(height, width, 3)`, uint8."""
        self.canvas.draw()
        return np.asarray(self.canvas.buffer_rgba())[..., :3].copy()


def frame(axes: Any, points: np.ndarray) -> None:
    """Sets the limits of axes by points `(n, 2 or more)`, with a margin."""
    low, high = points[:, :2].min(axis=0), points[:, :2].max(axis=0)
    margin = 0.15 * np.maximum(high - low, 1e-3)
    axes.set_xlim(low[0] - margin[0], high[0] + margin[0])
    axes.set_ylim(low[1] - margin[1], high[1] + margin[1])


def background(axes: Any, points: np.ndarray) -> None:
    """Draws data `(n, 2 or more)` in grey, and sets the limits by them."""
    axes.scatter(points[:, 0], points[:, 1], s=3, c="#c8c8c8", label="data", rasterized=True)
    frame(axes, points)


def paths(real: np.ndarray, groups: dict[str, np.ndarray]) -> np.ndarray:
    """Draws paths of points over data; each group has a colour, each path a ring where it begins.

    Args:
        real: Data `(n, features)`, of which the first two features are shown.
        groups: Names, and paths `(steps, paths, features)`.
    """
    plot = Plot()
    axes = plot.axes
    background(axes, real)
    for number, (name, lines) in enumerate(groups.items()):
        colour = f"C{number}"
        for index in range(lines.shape[1]):
            label = name if index == 0 else None
            line = lines[:, index]
            axes.plot(line[:, 0], line[:, 1], "-", color=colour, linewidth=1, label=label)
            axes.scatter(line[:, 0], line[:, 1], s=9, color=colour, zorder=3)
            axes.scatter(*line[0, :2], s=60, facecolors="none", edgecolors=colour, zorder=4)
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    return plot.picture()


def clouds(
    panels: Sequence[Sequence[tuple[str, np.ndarray]]], real: np.ndarray, rows: Sequence[str] = ()
) -> np.ndarray:
    """Draws clouds of points over data, in panels that share their axes.

    Args:
        panels: Rows of pairs: a title, and points `(n, features)`.
        real: Data `(n, features)`.
        rows: A word for each row.
    """
    shape = (len(panels), len(panels[0]))
    plot = Plot(shape, (9.6 / shape[1], 9.6 / shape[1]))
    for row, cells in enumerate(panels):
        for column, (title, points) in enumerate(cells):
            axes = plot.panels[row, column]
            background(axes, real)
            axes.scatter(points[:, 0], points[:, 1], s=2, c="#3b6fd4")
            axes.set_title(title, fontsize=9)
            axes.set_xticks([])
            axes.set_yticks([])
            if rows and column == 0:
                axes.set_ylabel(rows[row], fontsize=9)
    return plot.picture()


def scatter(
    points: np.ndarray, classes: np.ndarray | None, names: Sequence[str], axis_names: Sequence[str]
) -> np.ndarray:
    """Draws points `(n, 2)`, coloured by class where there are at most `COLOURS` classes.

    Args:
        points: What is drawn.
        classes: `(n,)`, or None.
        names: Of the classes, for the legend.
        axis_names: Of the two axes.
    """
    import matplotlib

    plot = Plot()
    axes = plot.axes
    if classes is None or not 0 < len(names) <= COLOURS:
        axes.scatter(points[:, 0], points[:, 1], s=8, c="#3b6fd4", linewidths=0)
    else:
        colours = matplotlib.colormaps["tab10" if len(names) <= 10 else "tab20"].colors
        for number, name in enumerate(names):
            own = points[classes == number]
            axes.scatter(
                own[:, 0],
                own[:, 1],
                s=10,
                color=colours[number],
                label=_as_label(name),
                linewidths=0,
            )
        axes.legend(
            loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, markerscale=2, title="class"
        )
    axes.set_xlabel(axis_names[0])
    axes.set_ylabel(axis_names[1])
    return plot.picture()


def _as_label(name: str) -> str:
    """A name as matplotlib shows it: dollars would begin a formula, and an underscore hides it from the legend."""
    short = name if len(name) <= LONGEST_LABEL else f"{name[: LONGEST_LABEL - 1]}…"
    return f"{' ' if short.startswith('_') else ''}{short}".replace("$", r"\$")


def histogram(groups: dict[str, np.ndarray], axis_name: str) -> np.ndarray:
    """Draws how often values occur, groups over each other, with their medians as lines.

    Args:
        groups: Names, and values `(n,)` of 0 or more.
        axis_name: What the values are.
    """
    plot = Plot()
    axes = plot.axes
    # Long tails would squeeze everything else.
    top = max(float(np.quantile(values, 0.99)) for values in groups.values())
    bins = np.linspace(0.0, max(top, 1e-6), 41)
    for number, (name, values) in enumerate(groups.items()):
        weights = np.full(len(values), 1.0 / len(values))
        axes.hist(
            np.minimum(values, bins[-1]),
            bins,
            weights=weights,
            histtype="step",
            linewidth=1.5,
            color=f"C{number}",
            label=name,
        )
        axes.axvline(float(np.median(values)), color=f"C{number}", linestyle="--", linewidth=1)
    axes.set_xlabel(axis_name)
    axes.set_ylabel("share")
    axes.legend(loc="upper right", frameon=False)
    return plot.picture()
