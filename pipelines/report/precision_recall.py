"""Precision against recall: the systems of a data set as points of a square, with real data and noise beside them."""

from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.report.cards import Card
from pipelines.shared import scores

PRECISION, RECALL = (scores.SCORES[name] for name in ("precision", "recall"))
#: The picture and the square in it, from 0 to 1 both ways.
WIDTH, HEIGHT = 372, 336
LEFT, RIGHT, TOP, BOTTOM = 46, 336, 10, 300
TICKS = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
# Of a letter of a name, and how high and how far from its point the name stands.
LETTER, LINE, AWAY = 6.2, 12.0, 8.0

Box = tuple[float, float, float, float]


@dataclass(frozen=True)
class Point:
    """A point with its name.

    Attributes:
        key: Of a system; "" for real data and noise.
        kind: "system", "floor" or "ceiling".
        name: What stands beside it; "" where there is no room.
        told: Name and values, for who points at it or hears it.
        x: From the left.
        y: From the top.
        across: Half of the width of the bar that is one standard error of recall to both sides.
        down: The same of precision.
        at: Where the name begins, or ends.
        anchor: "start", "middle" or "end": which part of the name is there.
    """

    key: str
    kind: str
    name: str
    told: str
    x: float
    y: float
    across: float
    down: float
    at: tuple[float, float]
    anchor: str


@dataclass(frozen=True)
class Picture:
    """The points, those of systems last, and a sentence on what must not be compared; "" for none."""

    points: tuple[Point, ...]
    description: str
    warning: str


def picture(systems: list[Card]) -> Picture | None:
    """Draws the systems that have precision and recall; None where these are fewer than two."""
    having = [each for each in systems if _both(each.metrics.everything)]
    if len(having) < 2:
        return None
    entries = [("", kind, scores.ENDS[kind].title, row) for kind, row in _ends(having)]
    entries += [(each.key, "system", each.key, each.metrics.everything) for each in having]
    taken = [_box(*_place(row), *(max(bar, 5.0) for bar in _bars(row))) for *_, row in entries]
    points = []
    for key, kind, title, row in entries:
        x, y = _place(row)
        across, down = _bars(row)
        name, at, anchor = _name(title, x, y, (across, down), taken)
        told = [f"{score.title} {_written(score, row)}" for score in (PRECISION, RECALL)]
        points.append(
            Point(key, kind, name, f"{title}: {', '.join(told)}", x, y, across, down, at, anchor)
        )
    alike = all(
        scores.comparable(score, [each.metrics.model_dump() for each in having])
        for score in (PRECISION, RECALL)
    )
    return Picture(
        points=tuple(points),
        description=f"Precision against recall. {'; '.join(each.told for each in points)}",
        warning="" if alike else f"The points are not comparable: {scores.NOT_ALIKE}.",
    )


def x_of(recall: float) -> float:
    """Where a recall is, from the left."""
    return round(LEFT + (RIGHT - LEFT) * recall, 1)


def y_of(precision: float) -> float:
    """Where a precision is, from the top."""
    return round(BOTTOM - (BOTTOM - TOP) * precision, 1)


def _both(row: dict[str, float | None]) -> bool:
    return all(
        value is not None and 0.0 <= value <= 1.0
        for value in (scores.value_of(row, score.name) for score in (PRECISION, RECALL))
    )


def _ends(systems: list[Card]) -> Iterator[tuple[str, dict[str, float | None]]]:
    """Each different row of real data, and of noise."""
    for kind in scores.ENDS:
        rows = [getattr(each.calibration, kind) for each in systems if each.calibration]
        found = {_place(row): row for row in rows if _both(row)}
        yield from ((kind, row) for row in found.values())


def _place(row: dict[str, float | None]) -> tuple[float, float]:
    precision, recall = (scores.value_of(row, score.name) for score in (PRECISION, RECALL))
    return x_of(recall), y_of(precision)


def _bars(row: dict[str, float | None]) -> tuple[float, float]:
    """Half of the width and of the height of the bars of a point."""
    errors = (scores.error_of(row, score.name) or 0.0 for score in (RECALL, PRECISION))
    across, down = (round((RIGHT - LEFT) * error, 1) for error in errors)
    return across, down


def _written(score: scores.Score, row: dict[str, float | None]) -> str:
    value, error = scores.value_of(row, score.name), scores.error_of(row, score.name)
    return scores.written(score.name, value, error)


def _name(
    title: str, x: float, y: float, bars: tuple[float, float], taken: list[Box]
) -> tuple[str, tuple[float, float], str]:
    """Finds room for a name beside its point, and takes it; "" where there is none."""
    width = LETTER * len(title)
    right, left_of = x + max(AWAY, bars[0] + 3), x - max(AWAY, bars[0] + 3) - width
    above, below = (y + side * (max(AWAY, bars[1] + 3) + LINE / 2) for side in (-1, 1))
    for anchor, left, middle in (
        ("start", right, y),
        ("end", left_of, y),
        ("middle", x - width / 2, above),
        ("middle", x - width / 2, below),
        ("start", x + AWAY, above),
        ("start", x + AWAY, below),
        ("end", x - AWAY - width, above),
        ("end", x - AWAY - width, below),
    ):
        box = _box(left + width / 2, middle, width / 2, LINE / 2)
        inside = box[0] >= LEFT and box[1] <= WIDTH and box[2] >= 0 and box[3] <= BOTTOM
        if inside and not any(_meet(box, other) for other in taken):
            taken.append(box)
            at = {"start": left, "end": left + width, "middle": left + width / 2}[anchor]
            return title, (round(at, 1), round(middle + 4.0, 1)), anchor
    return "", (x, y), "start"


def _box(x: float, y: float, half_width: float, half_height: float) -> Box:
    return x - half_width, x + half_width, y - half_height, y + half_height


def _meet(one: Box, other: Box) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]
