"""The systems that share a data set, side by side."""

from dataclasses import dataclass, replace
from itertools import chain

from pipelines.report import precision_recall, readings
from pipelines.report.cards import Card
from pipelines.shared import facts, scores


@dataclass(frozen=True)
class Column:
    """One column: a score, or a fact of the training.

    Attributes:
        name: A name in `scores.SCORES`, or "parameters", "training_seconds".
        title: Its heading.
        meaning: One line more.
        better: Which way is better; sorting begins with the best.
        few: Most systems have no value in it.
    """

    name: str
    title: str
    meaning: str
    better: scores.Better
    few: bool = False


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
        columns: What all systems have, then what only some have: scores, parameters and training time.
        rows: For each system its card and its cells.
        calibration: The rows that the scores are read by: what each is of, and its cells.
        notes: Sentences below the table: what was measured with what.
        shares: The systems by their precision and recall; None where fewer than two have both.
    """

    data: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Card, tuple[Cell, ...]], ...]
    calibration: tuple[tuple[scores.End, tuple[Cell, ...]], ...]
    notes: tuple[str, ...]
    shares: precision_recall.Picture | None


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
        (PARAMETERS, [each.parameters for each in systems], facts.count),
        (TRAINING, [each.training_seconds for each in systems], facts.duration),
    ):
        if any(value is not None for value in values):
            columns.append(column)
            cells.append(
                [
                    Cell() if value is None else Cell(write(value), sort=float(value))
                    for value in values
                ]
            )
    columns, cells = _shared_first(columns, cells)
    rows = tuple(
        (system, tuple(column[number] for column in cells)) for number, system in enumerate(systems)
    )
    calibration, explained = _calibration(columns, cells, systems)
    return Table(
        data=data,
        columns=tuple(columns),
        rows=rows,
        calibration=tuple(calibration),
        notes=(
            *_circumstances(systems),
            *_machines(systems),
            *explained,
            *_incomparable(incomparable),
        ),
        shares=precision_recall.picture(systems),
    )


def _shared_first(
    columns: list[Column], cells: list[list[Cell]]
) -> tuple[list[Column], list[list[Cell]]]:
    """What more systems have stands before what fewer have, but for what most have the order stays."""
    numbers = [sum(cell.sort is not None for cell in each) for each in cells]

    def place(number: int) -> int:
        if numbers[number] == len(cells[number]):
            return 0
        return 1 if 2 * numbers[number] >= len(cells[number]) else 2

    order = sorted(range(len(columns)), key=place)
    return (
        [replace(columns[number], few=place(number) == 2) for number in order],
        [cells[number] for number in order],
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
    columns: list[Column], cells: list[list[Cell]], systems: list[Card]
) -> tuple[list[tuple[scores.End, tuple[Cell, ...]]], list[str]]:
    """What real data and what noise get, and sentences on what they are.

    Where the systems' own differ, the cell is a range. What a system has by construction is not among them.
    """
    rows, notes, ranges = [], [], {}
    for kind, end in scores.ENDS.items():
        measured = [(each, each.calibration) for each in systems if each.calibration]
        measured = [(each, row) for each, found in measured if (row := getattr(found, kind))]
        if not measured:
            continue
        row_cells = []
        for column, above in zip(columns, cells, strict=True):
            score = scores.SCORES.get(column.name)
            found = [row for each, row in measured if score is None or each.earns(score)]
            cell = _calibration_cell(column.name, found, _decimals(above))
            if RANGE in cell.text:
                ranges[column.title] = None
            row_cells.append(cell)
        rows.append((end, tuple(row_cells)))
        described = (getattr(each.calibration, f"{kind}_of").split("; ") for each, _ in measured)
        notes.append(f"{end.title}: {'; '.join(dict.fromkeys(chain.from_iterable(described)))}.")
    if ranges:
        notes.append(
            f"The scores of real data and of noise differ between the systems for {', '.join(ranges)}: "
            "each system's own stand beside its scores."
        )
    return rows, notes


def _decimals(cells: list[Cell]) -> int:
    """The most decimals of a column."""
    return max((scores.decimals(cell.text) for cell in cells if cell.sort is not None), default=6)


def _calibration_cell(name: str, rows: list[dict[str, float | None]], most: int) -> Cell:
    found = [
        (value, scores.error_of(row, name))
        for row in rows
        if (value := scores.value_of(row, name)) is not None
    ]
    if not found:
        return Cell()
    if len(set(found)) == 1:
        return Cell(*scores.parts(name, *found[0], most=most), sort=found[0][0])
    low, high = (scores.parts(name, *end, most=most)[0] for end in (min(found), max(found)))
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


def _machines(systems: list[Card]) -> list[str]:
    """One sentence for all systems that were trained on the same machine."""
    machines: dict[str, list[str]] = {}
    for system in systems:
        if system.machine:
            machines.setdefault(system.machine, []).append(system.key)
    if len(machines) == 1 and len(*machines.values()) == len(systems):
        return [f"Trained on {machine}." for machine in machines]
    return [f"{', '.join(keys)}: trained on {machine}." for machine, keys in machines.items()]


def _incomparable(titles: list[str]) -> list[str]:
    if not titles:
        return []
    return [f"No best value is marked for {', '.join(titles)}: {scores.NOT_ALIKE}."]
