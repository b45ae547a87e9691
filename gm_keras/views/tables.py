"""Samples of a table: a small diagram for each column."""

import numpy as np

from gm_keras.fields.table import Category, Number, Table
from gm_keras.metrics.tables import bars

#: Columns that have a diagram.
MOST = 30
# Diagrams in a row; in inches the size of one.
COLUMNS, WIDE, HIGH = 4, 2.4, 1.5
_LONGEST = 12


def marginals(table: Table, made: np.ndarray, real: np.ndarray | None = None) -> np.ndarray:
    """Draws how often each value of each column is.

    Args:
        table: The columns.
        made: Samples `(n, features)`.
        real: Real rows, drawn in grey behind them.

    Returns:
        A picture `(height, width, 3)`, uint8.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    shown = table.modelled[:MOST]
    sets = [table.decode(each) for each in (real, made) if each is not None]
    across = min(COLUMNS, len(shown))
    down = -(-len(shown) // across)
    figure = Figure(figsize=(across * WIDE, down * HIGH), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(down, across, squeeze=False).ravel()
    for place, column in enumerate(shown):
        _diagram(axes[place], column, [rows[column.name] for rows in sets])
    for empty in axes[len(shown) :]:
        empty.set_axis_off()
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _diagram(axes: object, column: Number | Category, sets: list[np.ndarray]) -> None:
    names, heights = bars(column, *sets)
    places = np.arange(len(names))
    # The last set are the samples.
    for number, values in enumerate(reversed(heights)):
        color, width = (("#3b6fd4", 0.45), ("#c9c9c9", 0.95))[number]
        axes.bar(places, values, width, color=color, zorder=2 - number)
    axes.set_title(_short(column.name, 3 * _LONGEST), fontsize=8)
    axes.set_yticks([])
    if isinstance(column, Category):
        axes.set_xticks(places, [_short(name) for name in names], rotation=30, ha="right")
    else:
        axes.set_xticks(
            [0, len(names) - 1], [names[0].split(" to ")[0], names[-1].split(" to ")[-1]]
        )
    axes.tick_params(labelsize=6)
    for side in ("top", "left", "right"):
        axes.spines[side].set_visible(False)


def _short(text: str, longest: int = _LONGEST) -> str:
    # A dollar would begin a formula.
    text = text.replace("$", r"\$")
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
