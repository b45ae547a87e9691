"""Each score of a system beside what it is read by: real data at one end, noise at the other."""

from dataclasses import dataclass
from typing import Protocol

from pipelines.report.inputs import System
from pipelines.shared import scores
from pipelines.shared.written import Metrics

KINDS = {"exact": "exact", "bound": "a bound", "estimate": "an estimate"}
OF = {
    "discrete": "of discrete data",
    "density": "a density",
    "table": "of the values of a table, a density where they are real numbers",
    "relaxed": "of a Bernoulli distribution relaxed to grey levels",
}


class Measured(Protocol):
    """A system with its scores: as its page has it, or as the index has it."""

    @property
    def metrics(self) -> Metrics:
        """Scores and circumstances."""


@dataclass(frozen=True)
class Reading:
    """One row of a system's table of scores.

    Attributes:
        score: Its entry in the catalogue.
        value: As it is written, "≤" before it where it is a bound.
        error: Its standard error, as it is written; None where there is none.
        by: What it is read by, as (words, value): real data, or the training examples of a model that is measured
            itself; then noise, or the model before its training. What was not measured is left out, and all of it
            where the score is given.
        reached: The share of the way from the second to the first, from 0 to 1; None where one of the
            two is missing or they do not differ in the right direction.
        given: The system has it by construction, whatever it has learned.
    """

    score: scores.Score
    value: str
    error: str | None
    by: tuple[tuple[str, str], ...]
    reached: float | None
    given: bool = False


def sign(system: Measured, name: str) -> str:
    """What stands before a score: "≤ " where it is a bound on what its title says."""
    likelihood = system.metrics.likelihood
    bounded = likelihood is not None and likelihood.kind == "bound"
    return "≤ " if bounded and name in scores.BOUNDED else ""


def readings(system: System) -> dict[str, list[Reading]]:
    """The rows of a system's scores under their headings."""
    groups: dict[str, list[Reading]] = {}
    for score in scores.present(system.metrics.everything):
        groups.setdefault(score.group, []).append(_reading(system, score))
    return groups


def _reading(system: System, score: scores.Score) -> Reading:
    name, value = score.name, system.value(score.name)
    text, error = scores.parts(name, value, system.error(name))
    most = scores.decimals(text)
    total = scores.value_of(system.metrics.everything, "modes_total")
    if name == "modes" and total is not None:
        text = f"{text} of {total:.0f}"
    floor, ceiling = {}, {}
    given = not score.earned_by(system.recipe.capabilities)
    if system.calibration:
        floor, ceiling = system.calibration.floor, system.calibration.ceiling
    return Reading(
        score=score,
        value=sign(system, name) + text,
        error=error,
        by=tuple(
            (scores.ENDS[kind].words(score), written)
            for kind, row in (("floor", floor), ("ceiling", ceiling))
            if not given and (written := _written(name, row, most)) is not None
        ),
        reached=None
        if given
        else _reached(name, value, scores.value_of(floor, name), scores.value_of(ceiling, name)),
        given=given,
    )


def _written(name: str, row: dict[str, float | None], most: int) -> str | None:
    value = scores.value_of(row, name)
    return None if value is None else scores.written(name, value, scores.error_of(row, name), most)


def _reached(name: str, value: float, floor: float | None, ceiling: float | None) -> float | None:
    if floor is None or ceiling is None or not scores.is_better(name, floor, ceiling):
        return None
    return min(max((value - ceiling) / (floor - ceiling), 0.0), 1.0)


def circumstances(system: Measured) -> list[str]:
    """What the scores depend on, in sentences: examples, extractor, likelihood, scales, seed."""
    metrics = system.metrics
    draws = f", seed {metrics.seed}"
    if metrics.seeds > 1:
        draws = f" for each of {metrics.seeds} seeds from {metrics.seed} on"
    some = metrics.real_of is not None and metrics.real < metrics.real_of
    real = f"{metrics.real:,} of the {metrics.real_of:,}" if some else f"{metrics.real:,}"
    said = [
        f"{real} {metrics.split} examples of {metrics.data} against "
        f"{metrics.generated:,} samples{draws}.",
        extractor(system),
    ]
    if metrics.likelihood:
        said.append(_likelihood(system))
    if metrics.ms_ssim_scales:
        window = f", window {metrics.ms_ssim_window}" if metrics.ms_ssim_window else ""
        plural = "scale" if metrics.ms_ssim_scales == 1 else "scales"
        said.append(f"MS-SSIM with {metrics.ms_ssim_scales} {plural}{window}.")
    return said


def extractor(system: Measured) -> str:
    """Where the features come from, with the hash of the weights."""
    used = system.metrics.extractor
    facts = []
    if used.features:
        facts.append(f"{used.features:,} features")
    if used.sha256:
        facts.append(f"weights {used.sha256[:12]}")
    within = f" ({', '.join(facts)})" if facts else ""
    if used.kind == "classifier":
        right = ""
        if used.accuracy is not None:
            right = f" that reads {100 * used.accuracy:.1f} % of the test set right"
        return f"Features of a classifier{right}{within}."
    if used.kind == "inception":
        return f"Features of {used.name or 'the Inception network'}{within}."
    return f"Features are the data themselves{within}."


def _likelihood(system: Measured) -> str:
    likelihood = system.metrics.likelihood
    said = [f"The likelihood is {KINDS.get(likelihood.kind, likelihood.kind)}"]
    if likelihood.of:
        said.append(OF.get(likelihood.of, f"of {likelihood.of} data"))
    if likelihood.given:
        said.append(f"given its {likelihood.given}")
    if likelihood.importance_samples:
        said.append(
            f"estimated from k = {likelihood.importance_samples} importance samples for an example"
        )
    if likelihood.dequantization:
        said.append(f"dequantization: {likelihood.dequantization}")
    if likelihood.binarization:
        said.append(f"binarization: {likelihood.binarization}")
    return "; ".join(said) + "."
