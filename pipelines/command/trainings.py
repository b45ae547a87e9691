"""Several trainings of each variant in one table: what `gm-keras compare --over-seeds` prints, and writes as a page.

Systems of `params.yaml` that differ in `fit.seed` alone are trainings of one variant. A variant is named by what
differs between them all, so that of two that differ in one argument the table says in which.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.command.comparing import GIVEN, MARKS
from pipelines.settings import Settings, load_settings
from pipelines.shared import catalog, scores, written
from pipelines.shared.errors import UserError
from pipelines.shared.files import replacing

NONE = "–"
SEED = "fit.seed"


@dataclass(frozen=True)
class Variant:
    """Trainings that differ in their seeds alone.

    Attributes:
        settings: Of the system, flat: by dotted names, without the seed.
        keys: In `params.yaml`.
        capabilities: What the system offers.
        metrics: Of the trainings that were evaluated.
    """

    settings: Mapping[str, Any]
    keys: list[str]
    capabilities: Sequence[str]
    metrics: list[Mapping[str, Any]]

    def score(self, name: str) -> tuple[float | None, float | None]:
        """The mean over the trainings and its standard error; of one training, its own error."""
        found = [(scores.value_of(each, name), each) for each in self.metrics]
        values = [value for value, _ in found if value is not None]
        if len(values) < 2:
            return next(
                (
                    (value, scores.error_of(each, name))
                    for value, each in found
                    if value is not None
                ),
                (None, None),
            )
        mean = sum(values) / len(values)
        variance = sum((value - mean) ** 2 for value in values) / (len(values) - 1)
        return mean, math.sqrt(variance / len(values))


def table(params: Path, keys: Sequence[str]) -> str:
    """A row for each variant: what makes it one, how many trainings it had, and their scores.

    Args:
        params: Where `params.yaml` is; `reports/` is beside it.
        keys: Systems of `params.yaml`. A training that was not evaluated, as where it diverged, counts as not
            finished.

    Returns:
        A table in Markdown and its legend.

    Raises:
        UserError: There is no such system, or none of them was evaluated.
    """
    settings = load_settings(params)
    variants = _variants(settings, params.resolve().parent, list(dict.fromkeys(keys)))
    evaluated = [metrics for each in variants for metrics in each.metrics]
    if not evaluated:
        raise UserError(f"none of {', '.join(keys)} was evaluated: dvc repro evaluate@{keys[0]}")
    differing = [
        name
        for name in dict.fromkeys(name for each in variants for name in each.settings)
        if len({_value(each.settings, name) for each in variants}) > 1
    ]
    shown = [
        name
        for name, score in scores.SCORES.items()
        if score.compared and any(name in metrics for metrics in evaluated)
    ]
    columns = [_column(name, variants, evaluated) for name in shown]
    heads = [*(f"`{name.removeprefix('model.')}`" for name in differing), "trainings"]
    rows = [[*heads, *(column[0] for column in columns)]]
    for number, each in enumerate(variants):
        named = [_value(each.settings, name) for name in differing]
        finished, asked = len(each.metrics), len(each.keys)
        count = str(asked) if finished == asked else f"{finished} of {asked} finished"
        rows.append([*named, count, *(column[1][number] for column in columns)])
    lines = [_row(rows[0]), _row(["---"] * len(rows[0])), *map(_row, rows[1:])]
    return "\n".join([*lines, "", _legend(evaluated, columns)])


def write(
    params: Path, keys: Sequence[str], output: Path, title: str, *, over_seeds: bool = True
) -> None:
    """Writes the table as a page, with a title and the command that wrote it.

    Args:
        params: As for `table`.
        keys: Likewise.
        output: A Markdown file; it is replaced only when the page is there.
        title: The heading of the page.
        over_seeds: False is refused: without it there is no page.

    Raises:
        UserError: As for `table`, or the page cannot be written.
    """
    if not over_seeds:
        raise UserError("-o writes the table of --over-seeds: add that option")
    if output.suffix.lower() != ".md":
        raise UserError(f"-o expects the name of a Markdown file such as page.md, not {output}")
    if not output.parent.is_dir():
        raise UserError(f"-o {output}: there is no folder {output.parent}")
    command = f"gm-keras compare --over-seeds {' '.join(keys)} -o {output} --title '{title}'"
    lead = f"<!-- Written by `{command}` from finished runs. Do not edit. -->"
    text = f"# {title}\n\n{lead}\n\n{table(params, keys)}\n"
    with replacing(output) as path:
        path.write_text(text, encoding="utf-8")


def _variants(settings: Settings, root: Path, keys: list[str]) -> list[Variant]:
    found: dict[str, Variant] = {}
    for key in keys:
        system = settings.system(key)
        flat = _flat(system.model_dump(by_alias=True, exclude_unset=True))
        flat.pop(SEED, None)
        offered = catalog.recipe(system.class_name).capabilities
        variant = found.setdefault(
            json.dumps(flat, sort_keys=True), Variant(flat, [], offered, metrics=[])
        )
        variant.keys.append(key)
        path = root / "reports" / key / "scores.json"
        if path.is_file():
            command = f"dvc repro evaluate@{key}"
            variant.metrics.append(written.read_plain(path, written.Metrics, command))
    return list(found.values())


def _flat(block: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested settings by dotted names."""
    flat = {}
    for name, value in block.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def _column(
    name: str, variants: list[Variant], evaluated: list[Mapping[str, Any]]
) -> tuple[str, list[str]]:
    """The head of a score and its cells."""
    score = scores.SCORES[name]
    values = [each.score(name) for each in variants]
    rivals = [score.earned_by(each.capabilities) for each in variants]
    alike = scores.comparable(score, evaluated)
    ranks = scores.ranks(name, values, rivals) if alike else [""] * len(variants)
    cells = []
    for (value, error), rank, rival in zip(values, ranks, rivals, strict=True):
        mark = MARKS[rank] if rival else GIVEN
        text = NONE if value is None else scores.written(name, value, error)
        cells.append(f"**{text}**" if rank == "best" else f"{text} {mark}".rstrip())
    arrow = {"lower": " ↓", "higher": " ↑", "neither": ""}[score.better]
    return f"{score.title}{arrow}", cells


def _value(settings: Mapping[str, Any], name: str) -> str:
    if name not in settings:
        return NONE
    value = settings[name]
    return value if isinstance(value, str) else json.dumps(value)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _legend(evaluated: list[Mapping[str, Any]], columns: list[tuple[str, list[str]]]) -> str:
    data = ", ".join(dict.fromkeys(str(each["data"]) for each in evaluated))
    lines = [
        f"Data: {data}. Where a variant was trained more than once: the mean and its standard error over the trainings. "
        f"**Best**; {MARKS['tied']} not told apart from it by {scores.APART:g} standard errors."
    ]
    if any(cell.endswith(f" {GIVEN}") for _, cells in columns for cell in cells):
        lines.append(f"{GIVEN} {scores.BY_CONSTRUCTION}.")
    return " ".join(lines)
