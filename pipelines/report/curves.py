"""The curves of a training, drawn as SVG with axes."""

import sys
from dataclasses import dataclass

from matplotlib.ticker import MaxNLocator

Points = list[tuple[int, float]]

WIDTH, HEIGHT = 340, 200
LEFT, RIGHT, TOP, BOTTOM = 46, 316, 10, 166
# Of a digit on an axis, and what lies between a number and the plot.
DIGIT, MARGIN = 7.0, 6
VALIDATION = "val_"


@dataclass(frozen=True)
class Tick:
    """A line across the plot: where, and what is written there."""

    at: float
    text: str


@dataclass(frozen=True)
class Line:
    """One curve: "training" or "validation", its points for SVG, and its last value."""

    kind: str
    points: str
    dots: tuple[tuple[str, str], ...]
    last: str


@dataclass(frozen=True)
class Plot:
    """A curve and its validation counterpart in one plot; where they cannot be drawn, why.

    The plot begins at `left`, so that the numbers before it have room.
    """

    name: str
    left: float = LEFT
    lines: tuple[Line, ...] = ()
    across: tuple[Tick, ...] = ()
    up: tuple[Tick, ...] = ()
    description: str = ""
    left_out: str | None = None


def plots(history: dict[str, Points]) -> list[Plot]:
    """Draws every curve; one of the validation set stands with that of the training set.

    Args:
        history: The points (epoch, value) of each curve, as `inputs.history` reads them.
    """
    last = max((epoch for points in history.values() for epoch, _ in points), default=1)
    drawn = []
    for name, points in history.items():
        if name.startswith(VALIDATION) and name.removeprefix(VALIDATION) in history:
            continue
        if name == "loss" and points in [history[each] for each in history if each != name]:
            continue  # of a model with one phase, whose curve it is
        lines = {"training": points}
        if f"{VALIDATION}{name}" in history:
            lines["validation"] = history[f"{VALIDATION}{name}"]
        elif name.startswith(VALIDATION):
            lines = {"validation": points}
        try:
            drawn.append(_plot(name, lines, last))
        except (ValueError, ArithmeticError) as error:  # such as values of 1e308
            reason = " ".join(str(error).split())
            print(f"no plot of {name}: {type(error).__name__}: {reason}", file=sys.stderr)
            drawn.append(Plot(name, left_out=reason))
    return drawn


def _plot(name: str, lines: dict[str, Points], last: int) -> Plot:
    values = [value for points in lines.values() for _, value in points]
    ticks = MaxNLocator(nbins=4).tick_values(min(values), max(values))
    low, high = min(*values, *ticks), max(*values, *ticks)
    numbers = [_number(value) for value in ticks]
    left = max(LEFT, DIGIT * max(map(len, numbers)) + MARGIN)
    first = min(epoch for points in lines.values() for epoch, _ in points)
    start = 1 if first <= last // 4 + 1 else first

    def x(epoch: float) -> float:
        return left + (RIGHT - left) * (epoch - start) / max(last - start, 1)

    def y(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (value - low) / ((high - low) or 1.0)

    epochs = MaxNLocator(nbins=6, integer=True).tick_values(start, last)
    return Plot(
        name=name,
        left=left,
        lines=tuple(_line(kind, points, x, y) for kind, points in lines.items()),
        across=tuple(
            Tick(round(x(epoch), 1), f"{epoch:.0f}") for epoch in epochs if start <= epoch <= last
        ),
        up=tuple(
            Tick(round(y(value), 1), text) for value, text in zip(ticks, numbers, strict=True)
        ),
        description=_description(name, lines),
    )


def _line(kind: str, points: Points, x, y) -> Line:
    places = [(f"{x(epoch):.1f}", f"{y(value):.1f}") for epoch, value in points]
    return Line(
        kind=kind,
        points=" ".join(",".join(place) for place in places),
        # A line of one point cannot be seen.
        dots=tuple(places) if len(places) == 1 else (),
        last=f"{points[-1][1]:.4g}",
    )


def _description(name: str, lines: dict[str, Points]) -> str:
    """What somebody hears who does not see the plot."""
    said = [
        f"{kind} from {points[0][1]:.4g} at epoch {points[0][0]} "
        f"to {points[-1][1]:.4g} at epoch {points[-1][0]}"
        for kind, points in lines.items()
    ]
    return f"Curve of {name}: {'; '.join(said)}"


def _number(value: float) -> str:
    # Steps between ticks are not exact in binary: 0.30000000000000004.
    text = f"{value:.6g}".replace("-", "\N{MINUS SIGN}")
    return "0" if text.lstrip("\N{MINUS SIGN}") == "0" else text
