"""The systems that share a data set, side by side."""

from dataclasses import dataclass
from itertools import chain

from pipelines.report import readings
from pipelines.report.cards import Card
from pipelines.shared import scores


@dataclass(frozen=True)
class Column:
    """One column: a score, or a fact of the training.

    Attributes:
        name: A name in `scores.SCORES`, or "parameters", "training_seconds".
        title: Its heading.
        meaning: One line more.
        better: Which way is better; sorting begins with the best.
    """

    name: str
    title: str
    meaning: str
    better: scores.Better


@dataclass(frozen=True)
class Cell:
    """One value, as it is written.

    Attributes:
        text: The value.
        error: Its standard error; None where there is none.
        sort: The number; None where the system has none.
        rank: "best", "tied" or "".
        given: The system has it by construction.
    """

    text: str = "\N{EN DASH}"
    error: str | None = None
    sort: float | None = None
    rank: scores.Rank = ""
    given: bool = False


@dataclass(frozen=True)
class Table:
    """The leaderboard of one data set.

    Attributes:
        data: Its name.
        columns: The scores that at least one system has, then parameters and training time.
        rows: For each system its card and its cells.
        calibration: The rows that the scores are read by, as (title, cells).
        notes: Sentences below the table: what was measured with what.
    """

    data: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Card, tuple[Cell, ...]], ...]
    calibration: tuple[tuple[str, tuple[Cell, ...]], ...]
    notes: tuple[str, ...]


RANGE = " to "
PARAMETERS = Column("parameters", "Parameters", "numbers in the weights file", "lower")
TRAINING = Column("training_seconds", "Training", "time that the training took", "lower")


def tables(systems: list[Card]) -> list[Table]:
    """One table for each data set, in the order in which the systems name them."""
    data = dict.fromkeys(system.metrics.data for system in systems)
    return [_table(name, [each for each in systems if each.metrics.data == name]) for name in data]


def _table(data: str, systems: list[Card]) -> Table:
    compared = [
        score
        for name, score in scores.SCORES.items()
        if score.compared and any(system.value(name) is not None for system in systems)
    ]
    columns = [Column(each.name, each.title, each.meaning, each.better) for each in compared]
    incomparable = [each.title for each in compared if not _comparable(each, systems)]
    cells = [_score_cells(score, systems) for score in compared]
    for column, values, write in (
        (PARAMETERS, [each.parameters for each in systems], lambda value: f"{value:,}"),
        (TRAINING, [each.training_seconds for each in systems], duration),
    ):
        if any(value is not None for value in values):
            columns.append(column)
            cells.append(
                [
                    Cell() if value is None else Cell(write(value), sort=float(value))
                    for value in values
                ]
            )
    rows = tuple(
        (system, tuple(column[number] for column in cells)) for number, system in enumerate(systems)
    )
    calibration, explained = _calibration(columns, systems)
    return Table(
        data=data,
        columns=tuple(columns),
        rows=rows,
        calibration=tuple(calibration),
        notes=(*_circumstances(systems), *explained, *_incomparable(incomparable)),
    )


def _score_cells(score: scores.Score, systems: list[Card]) -> list[Cell]:
    name = score.name
    values = [(system.value(name), system.error(name)) for system in systems]
    rivals = [system.earns(score) for system in systems]
    ranks: list[scores.Rank] = [""] * len(systems)
    if _comparable(score, systems):
        ranks = scores.ranks(name, values, rivals)
    cells = []
    for system, (value, error), rank, rival in zip(systems, values, ranks, rivals, strict=True):
        if value is None:
            cells.append(Cell())
            continue
        text, error_text = scores.parts(name, value, error)
        cells.append(Cell(readings.sign(system, name) + text, error_text, value, rank, not rival))
    return cells


def _comparable(score: scores.Score, systems: list[Card]) -> bool:
    return scores.comparable(score, [system.metrics.model_dump() for system in systems])


def _calibration(
    columns: list[Column], systems: list[Card]
) -> tuple[list[tuple[str, tuple[Cell, ...]]], list[str]]:
    """Floor and ceiling, and sentences on what they are.

    Where the systems' own differ, the cell is a range.
    """
    rows, notes, ranges = [], [], {}
    for title, kind in (("Floor", "floor"), ("Ceiling", "ceiling")):
        measured = [each.calibration for each in systems if each.calibration]
        measured = [each for each in measured if getattr(each, kind)]
        if not measured:
            continue
        cells = []
        for column in columns:
            cell = _calibration_cell(column.name, [getattr(each, kind) for each in measured])
            if RANGE in cell.text:
                ranges[column.title] = None
            cells.append(cell)
        rows.append((title, tuple(cells)))
        described = (getattr(each, f"{kind}_of").split("; ") for each in measured)
        notes.append(f"{title}: {'; '.join(dict.fromkeys(chain.from_iterable(described)))}.")
    if ranges:
        notes.append(
            f"Floor and ceiling differ between the systems for {', '.join(ranges)}: "
            "each system's own stand beside its scores."
        )
    return rows, notes


def _calibration_cell(name: str, rows: list[dict[str, float | None]]) -> Cell:
    found = [
        (value, scores.error_of(row, name))
        for row in rows
        if (value := scores.value_of(row, name)) is not None
    ]
    if not found:
        return Cell()
    if len(set(found)) == 1:
        return Cell(*scores.parts(name, *found[0]), sort=found[0][0])
    low, high = (scores.parts(name, *end)[0] for end in (min(found), max(found)))
    return Cell(low if low == high else f"{low}{RANGE}{high}", sort=min(found)[0])


def _circumstances(systems: list[Card]) -> list[str]:
    """One sentence for all systems that were measured alike."""
    groups: dict[str, list[str]] = {}
    for system in systems:
        text = " ".join(readings.circumstances(system)[:2])
        groups.setdefault(text, []).append(system.key)
    if len(groups) == 1:
        return list(groups)
    return [f"{', '.join(keys)}: {text}" for text, keys in groups.items()]


def _incomparable(titles: list[str]) -> list[str]:
    if not titles:
        return []
    return [f"No best value is marked for {', '.join(titles)}: {scores.NOT_ALIKE}."]


def duration(seconds: float) -> str:
    """A time as people say it: "45 s", "12 min", "3 h 20 min"."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 120:
        return f"{minutes} min"
    return f"{minutes // 60} h {minutes % 60} min"
