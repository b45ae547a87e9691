"""The columns of a table, one by one: how far samples are from test examples, and a small picture of both."""

from dataclasses import dataclass

from pipelines.shared import scores
from pipelines.shared.written import Column

#: The size of a picture.
WIDTH, HEIGHT = 160, 36
# How many bars somebody hears of who does not see the picture.
SAID = 3


@dataclass(frozen=True)
class Bar:
    """The share of test examples and of samples in one range of numbers or one category.

    Attributes:
        left: Where it begins.
        width: Of the wide bar, that of test examples.
        real: Its height.
        made: The height of the narrow bar, that of samples.
    """

    left: float
    width: float
    real: float
    made: float


@dataclass(frozen=True)
class Row:
    """One column of the table of columns.

    Attributes:
        name: In the header.
        kind: "number" or "category".
        distance: As it is written.
        floor: That of training examples.
        wasserstein: Of numbers, in deviations; "" of categories.
        wasserstein_floor: That of training examples.
        bars: Of the picture.
        description: What somebody hears who does not see it.
    """

    name: str
    kind: str
    distance: str
    floor: str
    wasserstein: str
    wasserstein_floor: str
    bars: list[Bar]
    description: str


def rows(columns: list[Column]) -> list[Row]:
    """The columns, the one that is farthest first."""
    return [_row(each) for each in sorted(columns, key=lambda each: -each.distance)]


def _row(column: Column) -> Row:
    highest = max((*column.real, *column.made), default=0.0) or 1.0
    step = WIDTH / max(1, len(column.bars))
    bars = [
        Bar(
            left=round(number * step, 1),
            width=round(step - 1.0, 1),
            real=round(HEIGHT * real / highest, 1),
            made=round(HEIGHT * made / highest, 1),
        )
        for number, (real, made) in enumerate(zip(column.real, column.made, strict=True))
    ]
    return Row(
        name=column.name,
        kind=column.kind,
        distance=_share(column.distance),
        floor=_share(column.floor),
        wasserstein=_share(column.wasserstein),
        wasserstein_floor=_share(column.wasserstein_floor),
        bars=bars,
        description=_description(column),
    )


def _share(value: float | None) -> str:
    return "" if value is None else scores.written("marginal_distance", value)


def _description(column: Column) -> str:
    most = sorted(range(len(column.bars)), key=lambda place: -column.real[place])[:SAID]
    said = [
        f"{column.bars[place]}: {100 * column.real[place]:.0f} % of the data, {100 * column.made[place]:.0f} % of the samples"
        for place in most
    ]
    return f"{column.name}; " + "; ".join(said)
