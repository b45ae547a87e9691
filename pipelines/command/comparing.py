"""The scores of several systems side by side: what `gm-keras compare` prints."""

from pathlib import Path
from typing import Any

from pipelines.settings import load_settings
from pipelines.shared import catalog, scores, written

MARKS = {"best": "*", "tied": "=", "": ""}
GIVEN = "i"


def comparison(params: Path, keys: list[str]) -> str:
    """Writes a table with a column for each system.

    Args:
        params: Where `params.yaml` is; `reports/` is beside it.
        keys: Systems of `params.yaml`, at least one.

    Returns:
        The table: a row for each score that one of them has, with its standard error, and what the scores
        were measured on. `*` is the best of a row, `=` what cannot be told apart from it; a row has no such
        marks where the systems were not measured alike, and a system has none where it could not but be the best.

    Raises:
        UserError: There is no such system, or it was not evaluated.
    """
    settings = load_settings(params)
    keys = list(dict.fromkeys(keys))
    columns, offered = [], []
    for key in keys:
        offered.append(catalog.recipe(settings.system(key).class_name).capabilities)
        path = params.resolve().parent / "reports" / key / "scores.json"
        columns.append(written.read_plain(path, written.Metrics, f"dvc repro evaluate@{key}"))
    rows, apart = [["", *keys]], []
    for name in (name for name in scores.SCORES if any(name in each for each in columns)):
        score = scores.SCORES[name]
        values = [(scores.value_of(each, name), scores.error_of(each, name)) for each in columns]
        rivals = [score.earned_by(each) for each in offered]
        ranks = scores.ranks(name, values, rivals)
        if not scores.comparable(score, columns):
            ranks = [""] * len(keys)
            apart.append(score.title)
        marks = [MARKS[rank] if rival else GIVEN for rank, rival in zip(ranks, rivals, strict=True)]
        cells = [_cell(name, *each, mark) for each, mark in zip(values, marks, strict=True)]
        rows.append([_title(name), *cells])
    rows += [
        ["data", *(str(each["data"]) for each in columns)],
        ["split, examples", *(f"{each['split']}, {each['real']:,}" for each in columns)],
        ["samples, seed", *(_samples(each) for each in columns)],
        ["compared in", *(_extractor(each) for each in columns)],
    ]
    lines = _aligned(rows)
    if len(keys) > 1:
        tied = f"{MARKS['tied']} not told apart from it by {scores.APART:g} standard errors"
        lines += ["", f"{MARKS['best']} best   {tied}"]
    if any(cell.endswith(f" {GIVEN}") for row in rows for cell in row):
        lines.append(f"{GIVEN} {scores.BY_CONSTRUCTION}")
    if apart:
        lines.append(f"No best value is marked for {', '.join(apart)}: {scores.NOT_ALIKE}.")
    return "\n".join(lines)


def _title(name: str) -> str:
    score = scores.SCORES[name]
    unit = f", {score.unit}" if score.unit else ""
    arrow = {"lower": " ↓", "higher": " ↑", "neither": ""}[score.better]
    return f"{score.title}{unit}{arrow}"


def _cell(name: str, value: float | None, error: float | None, mark: str) -> str:
    if value is None:
        return "–"
    return f"{scores.written(name, value, error)} {mark}".rstrip()


def _samples(metrics: dict[str, Any]) -> str:
    seeds = metrics.get("seeds", 1)
    times = f" x {seeds}" if seeds > 1 else ""
    return f"{metrics['generated']:,}{times}, {metrics['seed']}"


def _extractor(metrics: dict[str, Any]) -> str:
    extractor = metrics.get("extractor") or {}
    if not extractor.get("sha256"):
        return "the data"
    return f"{extractor['kind']} {extractor['sha256'][:12]}"


def _aligned(rows: list[list[str]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        lines.append("  ".join(cells).rstrip())
    return lines
