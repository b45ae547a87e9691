"""What of an evaluation becomes numbers of a run, and what stands in a table beside them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.shared import scores

#: Scores of a run. The table has all.
MOST_NUMBERS = 12


@dataclass(frozen=True)
class Scored:
    """An evaluation, as a run of MLflow takes it.

    Attributes:
        headline: The score that systems are judged by, such as "Negative ELBO 20.39 ± 0.24 nats"; "" without one.
        numbers: Scores by name, the headline's first; at most `MOST_NUMBERS`.
        table: All scores, by column: with their errors, and what real data and what noise get.
    """

    headline: str
    numbers: dict[str, float]
    table: dict[str, list[Any]]


def scored(metrics: Mapping[str, Any], calibration: Mapping[str, Any] | None = None) -> Scored:
    """Divides an evaluation into numbers and details.

    Args:
        metrics: Scores and their errors by name, and `primary`: what `scores.json` holds.
        calibration: `floor` and `ceiling`: what `calibration.json` holds.
    """
    found = scores.present(metrics)
    name = (metrics.get("primary") or {}).get("name")
    # The catalogue's order within each: the headline, what systems are compared by, what explains it.
    first = sorted(found, key=lambda each: (each.name != name, not each.compared))
    rows = [_row(each, metrics, calibration or {}) for each in found]
    return Scored(
        headline=next((_written(each, metrics) for each in found if each.name == name), ""),
        numbers={each.name: scores.value_of(metrics, each.name) for each in first[:MOST_NUMBERS]},
        table={column: [row[column] for row in rows] for column in (rows[0] if rows else ())},
    )


def _written(score: scores.Score, metrics: Mapping[str, Any]) -> str:
    value, error = scores.value_of(metrics, score.name), scores.error_of(metrics, score.name)
    return f"{score.title} {scores.written(score.name, value, error)} {score.unit}".rstrip()


def _row(
    score: scores.Score, metrics: Mapping[str, Any], calibration: Mapping[str, Any]
) -> dict[str, Any]:
    floor, ceiling = (calibration.get(name) or {} for name in ("floor", "ceiling"))
    return {
        "score": score.title,
        "value": scores.value_of(metrics, score.name),
        "standard error": scores.error_of(metrics, score.name),
        "unit": score.unit,
        "better": score.better,
        "real data": scores.value_of(floor, score.name),
        "noise or untrained": scores.value_of(ceiling, score.name),
        "name": score.name,
        "meaning": score.meaning,
    }
