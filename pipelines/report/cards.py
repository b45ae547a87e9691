"""What the index shows of a system: written beside its page, and all that the index reads."""

from pathlib import Path

from pydantic import BaseModel, ConfigDict

from pipelines.report import pictures, readings
from pipelines.report.inputs import System
from pipelines.shared import scores, written
from pipelines.shared.errors import UserError
from pipelines.shared.files import write_json
from pipelines.shared.written import STRICT, Calibration, Metrics

#: Of a text, as many characters as fit on a tile.
EXCERPT = 240


class Thumbnail(BaseModel):
    """A small picture within the page: its data address, and its size in pixels."""

    model_config = ConfigDict(frozen=True, **STRICT)

    address: str
    width: int
    height: int


class Card(BaseModel):
    """One system on the index.

    Attributes:
        key: Its name in `params.yaml`.
        class_name: The name of its recipe.
        family: Of the recipe.
        capabilities: Of the recipe.
        summary: One line, of the recipe.
        metrics: Scores and circumstances.
        calibration: What to read the scores by; None where it was not written.
        parameters: Numbers that the weights file holds; None where it is not here.
        training_seconds: Of a training that was not broken off.
        machine: On which it was trained.
        headline: The score by which its trainings are compared, written out; "" where there is none.
        excerpt: The beginning of a sample of a text model.
        thumbnail: The picture of samples, small; None for a text model.
    """

    model_config = ConfigDict(frozen=True, strict=True)

    key: str
    class_name: str
    family: str
    capabilities: list[str]
    summary: str
    metrics: Metrics
    calibration: Calibration | None
    parameters: int | None
    training_seconds: float | None
    machine: str | None
    headline: str
    excerpt: str
    thumbnail: Thumbnail | None

    def value(self, name: str) -> float | None:
        """A score; None where the system has none of that name."""
        return scores.value_of(self.metrics.everything, name)

    def error(self, name: str) -> float | None:
        """The standard error of a score."""
        return scores.error_of(self.metrics.everything, name)

    def earns(self, score: scores.Score) -> bool:
        """Whether it has to learn what a score measures."""
        return score.earned_by(self.capabilities)


def path(key: str, root: Path) -> Path:
    """Where the card of a system is."""
    return root / "build" / "cards" / f"{key}.json"


def card(system: System) -> Card:
    """Makes the card of an evaluated system."""
    thumbnail = None
    if not system.texts:
        made_by = f"dvc repro -f evaluate@{system.key}"
        embedded = pictures.thumbnail(system.samples, made_by)
        thumbnail = Thumbnail(
            address=embedded.address, width=embedded.width, height=embedded.height
        )
    return Card(
        key=system.key,
        class_name=system.settings.class_name,
        family=system.recipe.family,
        capabilities=list(system.recipe.capabilities),
        summary=system.recipe.summary,
        metrics=_known(system.metrics),
        calibration=system.calibration,
        parameters=system.parameters,
        training_seconds=system.training.training_seconds,
        machine=system.training.machine,
        headline=_headline(system),
        excerpt=system.texts[0][:EXCERPT] if system.texts else "",
        thumbnail=thumbnail,
    )


def write(made: Card, root: Path) -> None:
    """Writes a card where the index looks for it."""
    write_json(path(made.key, root), made.model_dump())


def read(key: str, root: Path) -> Card:
    """Reads a card.

    Raises:
        UserError: It is missing, damaged, or of another system.
    """
    made_by = f"dvc repro -f page@{key}"
    found = written.read(path(key, root), Card, made_by)
    if found.key != key:
        raise UserError(f"{path(key, root)} is of {found.key}: make it again with: {made_by}")
    return found


def _known(metrics: Metrics) -> Metrics:
    """The circumstances, and of the rest what is a score: a file may hold anything besides."""
    everything = metrics.everything
    known = {
        name: value
        for name, value in everything.items()
        if name.removesuffix("_stderr") in (*scores.SCORES, "modes_total")
        and scores.value_of(everything, name) is not None
    }
    return metrics.model_validate(metrics.model_dump(include=set(Metrics.model_fields)) | known)


def _headline(system: System) -> str:
    primary = system.metrics.primary
    name = primary.name if primary else None
    if name is None or system.value(name) is None:
        return ""
    title = scores.SCORES[name].title if name in scores.SCORES else name
    value = scores.written(name, system.value(name), system.error(name))
    return f"{title} {readings.sign(system, name)}{value}"


def shares(cards: list[Card]) -> dict[str, list[tuple[str, int]]]:
    """What the index filters by: families and capabilities, each with the number of systems that have it."""
    families: dict[str, int] = {}
    capabilities: dict[str, int] = {}
    for each in cards:
        families[each.family] = families.get(each.family, 0) + 1
        for name in each.capabilities:
            capabilities[name] = capabilities.get(name, 0) + 1
    return {"family": sorted(families.items()), "capability": sorted(capabilities.items())}
