"""What a flow did, as Markdown for Prefect's pages and as one line."""

from pathlib import Path
from typing import Any

from flows.promotion import Decision
from gm_keras import reading
from pipelines.settings import Settings


def trained(settings: Settings, keys: list[str], failures: dict[str, str], root: Path) -> str:
    """Writes what a training left: each system's metrics, run and files.

    Args:
        settings: `params.yaml`.
        keys: The systems that were to be trained.
        failures: For each that failed, why.
        root: The folder of the project.
    """
    rows = ["| system | result | metric | MLflow run |", "|---|---|---|---|"]
    details = []
    for key in keys:
        metrics = _json(root / "reports" / key / "scores.json")
        result = "trained" if key not in failures else f"failed: {failures[key]}"
        cells = (key, result, _primary(metrics), _run_link(settings, key, root))
        rows.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
        if key not in failures:
            details += _details(key, metrics)
    page = root / "reports" / "index.html"
    where = [f"Report: [{page.name}]({page.as_uri()}). Runs: `{settings.tracking.uri}`."]
    return "\n".join([*rows, "", *where, *details])


def promoted(
    decisions: dict[str, Decision], failures: dict[str, str], untrained: dict[str, str]
) -> str:
    """Writes which models were promoted, and why the others were not.

    Args:
        decisions: For each system that could be judged, the decision.
        failures: For each that failed, why.
        untrained: For each that was not trained, why.
    """
    rows = ["| system | result | why |", "|---|---|---|"]
    for key, decision in decisions.items():
        result = "**promoted**" if decision.promote else "not promoted"
        reason = "; ".join(filter(None, (untrained.get(key), decision.reason)))
        rows.append(f"| {key} | {result} | {_cell(reason)} |")
    for key, failure in failures.items():
        rows.append(f"| {key} | failed | {_cell(failure)} |")
    return "\n".join(rows)


def line(failures: dict[str, str]) -> str:
    """Writes all failures in one line; the same reason once."""
    return "; ".join(dict.fromkeys(failures.values()))


def _details(key: str, metrics: dict[str, Any]) -> list[str]:
    numbers = [
        f"| {_cell(name)} | {value:.6g} |"
        for name, value in metrics.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    return ["", f"### {key}", "", "| metric | value |", "|---|---|", *numbers] if numbers else []


def _primary(metrics: dict[str, Any]) -> str:
    primary = metrics.get("primary")
    try:
        return f"{primary['name']} {primary['value']:.6g}"
    except (KeyError, TypeError, ValueError):
        return ""  # too few examples for one, or another file; other stages say so


def _run_link(settings: Settings, key: str, root: Path) -> str:
    run = _json(root / "models" / key / "run.json")
    run_id = str(run.get("run_id", ""))
    if run_id and "experiment_id" in run and settings.tracking.uri.startswith("http"):
        place = f"{settings.tracking.uri.rstrip('/')}/#/experiments/{run['experiment_id']}"
        return f"[{run_id[:8]}]({place}/runs/{run_id})"
    return f"`{run_id}`" if run_id else ""


def _json(path: Path) -> dict[str, Any]:
    try:
        return reading.parse_json(reading.read_bytes(path), str(path))
    except (OSError, ValueError):
        return {}


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
