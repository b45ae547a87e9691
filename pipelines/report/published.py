"""What papers report of a system beside what was measured here, and whether the two can be compared."""

from dataclasses import dataclass
from typing import Any

from pipelines.report import readings
from pipelines.report.inputs import System
from pipelines.shared import scores

_INCEPTION = {"fid", "kid", "is"}


@dataclass(frozen=True)
class Comparison:
    """One published figure, and ours beside it.

    Attributes:
        data: The data set of the figure.
        title: The score.
        value: The figure, with its error and unit.
        setting: How it was got.
        source: Where it stands.
        ours: Our value of that score, on whichever data; None where it was not measured.
        comparable: Whether both are of the same data set.
        verdict: Why they can or cannot be compared.
    """

    data: str
    title: str
    value: str
    setting: str
    source: str
    ours: str | None
    comparable: bool
    verdict: str


def comparisons(system: System) -> list[Comparison]:
    """Every published figure of a system's recipe, beside ours."""
    return [_comparison(system, entry) for entry in system.recipe.published]


def _comparison(system: System, entry: dict[str, Any]) -> Comparison:
    name, data = entry["metric"], entry["data"]
    score = scores.SCORES.get(name)
    figure = f"{entry['value']:,}".replace("-", "\N{MINUS SIGN}")
    if entry.get("error") is not None:
        figure += f" ± {entry['error']}"
    unit = entry.get("unit") or (score.unit if score else "")
    value = system.value(name)
    return Comparison(
        data=data,
        title=score.title if score else name,
        value=f"{figure} {unit}".strip(),
        setting=entry.get("setting") or "",
        source=entry["source"],
        ours=None if value is None else scores.written(name, value, system.error(name)),
        comparable=value is not None and data == system.metrics.data,
        verdict=_verdict(system, data, name),
    )


def _verdict(system: System, data: str, name: str) -> str:
    metrics = system.metrics
    if data != metrics.data:
        return f"not comparable: ours was measured on {metrics.data}"
    if system.value(name) is None:
        if name in _INCEPTION and metrics.extractor.kind != "inception":
            return "not comparable: ours was measured with another extractor"
        return "not measured here"
    if scores.SCORES[name].group == scores.SAMPLES:
        return (
            f"same data set and score; ours with {metrics.real:,} real and "
            f"{metrics.generated:,} generated examples, on which it depends"
        )
    likelihood = metrics.likelihood
    if scores.SCORES[name].group == scores.LIKELIHOOD and likelihood:
        ours = [readings.KINDS.get(likelihood.kind, likelihood.kind)]
        ours += [f"given the {likelihood.given}"] if likelihood.given else []
        ours += (
            [f"pixels made binary: {likelihood.binarization}"] if likelihood.binarization else []
        )
        if likelihood.of == "relaxed":
            ours.append("grey levels as probabilities, which is no likelihood of images")
        return f"same data set and score; ours is {', '.join(ours)}; mind the setting"
    return "same data set and score; mind the setting"
