"""The scores of several systems side by side: what `gm-keras compare` prints."""

from pathlib import Path
from typing import Any

from pipelines.settings import load_settings
from pipelines.shared import scores, written

MARKS = {"best": "*", "tied": "=", "": ""}


def comparison(params: Path, keys: list[str]) -> str:
    """Writes a table with a column for each system.

    Args:
        params: Where `params.yaml` is; `reports/` is beside it.
        keys: Systems of `params.yaml`, at least one.

    Returns:
        The table: a row for each score that one of them has, with its standard error, and what the scores
        were measured on. `*` is the best of a row, `=` what cannot be told apart from it; a row has no such
        marks where the systems were not measured alike.

    Raises:
        UserError: There is no such system, or it was not evaluated.
    """
    settings = load_settings(params)
    keys = list(dict.fromkeys(keys))
    columns = []
    for key in keys:
        settings.system(key)
        path = params.resolve().parent / "reports" / key / "metrics.json"
        columns.append(written.read_plain(path, written.Metrics, f"dvc repro evaluate@{key}"))
    rows, apart = [["", *keys]], []
    for name in (name for name in scores.SCORES if any(name in each for each in columns)):
        values = [(scores.value_of(each, name), scores.error_of(each, name)) for each in columns]
        ranks = scores.ranks(name, values)
        if not scores.comparable(scores.SCORES[name], columns):
            ranks = [""] * len(keys)
            apart.append(scores.SCORES[name].title)
        cells = [_cell(name, *each, rank) for each, rank in zip(values, ranks, strict=True)]
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
    if apart:
        lines.append(f"No best value is marked for {', '.join(apart)}: {scores.NOT_ALIKE}.")
    return "\n".join(lines)


def _title(name: str) -> str:
    score = scores.SCORES[name]
    unit = f", {score.unit}" if score.unit else ""
    arrow = {"lower": " ↓", "higher": " ↑", "neither": ""}[score.better]
    return f"{score.title}{unit}{arrow}"


def _cell(name: str, value: float | None, error: float | None, rank: str) -> str:
    if value is None:
        return "–"
    return f"{scores.written(name, value, error)} {MARKS[rank]}".rstrip()


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
