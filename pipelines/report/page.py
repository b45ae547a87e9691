"""The page of one system, `reports/<key>.html`, and the card that the index shows of it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.report import (
    again,
    cards,
    columns,
    curves,
    index,
    inputs,
    lineage,
    pictures,
    published,
    readings,
    templates,
)
from pipelines.report.inputs import System
from pipelines.settings import Settings, load_settings, project_root
from pipelines.shared import facts, scores
from pipelines.shared.errors import UserError
from pipelines.shared.files import replacing


@dataclass(frozen=True)
class Shown:
    """A system as the template takes it: what was read, and what was made of it."""

    system: System
    samples: pictures.Embedded
    epochs: list[tuple[int, pictures.Embedded]]
    latents: list[tuple[inputs.Picture, pictures.Embedded]]
    readings: dict[str, list[readings.Reading]]
    circumstances: list[str]
    trained: str
    left_out: list[tuple[str, str]]
    by_seed: list[tuple[str, list[str]]]
    columns: list[columns.Row]
    plots: list[curves.Plot]
    published: list[published.Comparison]
    lineage: list[lineage.Link]
    again: again.Again
    parameters: list[tuple[str, str]]


def run(key: str) -> None:
    """Writes the page of a system and its card, and brings the index up to date.

    Args:
        key: A system of `params.yaml` that was evaluated.

    Raises:
        UserError: There is no such system, it was not evaluated, or a file of it is damaged; what was
            there before stays.
    """
    settings, root = load_settings(), project_root()
    write(key, settings, root)
    try:
        index.write(settings, root)
    except UserError as error:
        # It may be about another system, and is told again by the stage `report`.
        print(f"the index is as it was: {error}")


def write(key: str, settings: Settings, root: Path) -> None:
    """As `run`, in a project whose settings are read.

    Args:
        key: A system of `params.yaml` that was evaluated.
        settings: `params.yaml`.
        root: The folder of the project.
    """
    settings.system(key)
    if key not in inputs.evaluated(settings, root):
        raise UserError(f"{key} was not evaluated yet: evaluate it with: dvc repro evaluate@{key}")
    system = inputs.read_system(key, settings, root)
    code = templates.code(root)
    how = again.again(system, settings, code["revision"])
    shown = _shown(system, lineage.locked_hashes(root), how)
    text = templates.render("system.html", shown=shown, code=code)
    card = cards.card(system)
    target = root / "reports" / f"{key}.html"
    with replacing(target) as path:
        path.write_text(text, encoding="utf-8")
    cards.write(card, root)
    print(f"{key} in {target}")


def _shown(system: System, hashes: dict[str, str], how: again.Again) -> Shown:
    evaluate, train = f"dvc repro -f evaluate@{system.key}", f"dvc repro -f train@{system.key}"
    return Shown(
        system=system,
        samples=pictures.embed(system.samples, evaluate),
        epochs=[(epoch, pictures.of_epoch(path, train)) for epoch, path in system.epochs],
        latents=[(each, pictures.embed(path, evaluate)) for each, path in system.latents],
        readings=readings.readings(system),
        circumstances=readings.circumstances(system),
        trained=_trained(system),
        left_out=[
            (scores.SCORES[name].title if name in scores.SCORES else name, reason)
            for name, reason in system.metrics.left_out.items()
        ],
        by_seed=_by_seed(system),
        columns=columns.rows(system.columns),
        plots=curves.plots(system.history),
        published=published.comparisons(system),
        lineage=lineage.chain(system, hashes),
        again=how,
        parameters=flat(system.settings.model_dump(by_alias=True)),
    )


def _trained(system: System) -> str:
    """Parameters, training time and machine in a sentence, as far as they are known."""
    training, said = system.training, []
    if system.parameters is not None:
        said.append(f"{facts.count(system.parameters)} parameters")
    if training.training_seconds is not None:
        said.append(f"trained in {facts.duration(training.training_seconds)}")
    if training.machine:
        trained = "" if training.training_seconds is not None else "trained "
        said.append(f"{trained}on {training.machine}")
    text = ", ".join(said).replace(", on ", " on ")
    return f"{text[:1].upper()}{text[1:]}." if said else ""


def _by_seed(system: System) -> list[tuple[str, list[str]]]:
    """For each score its values by seed; empty where there is one seed."""
    if len(system.seeds) < 2:
        return []
    rows = []
    for name, score in scores.SCORES.items():
        values = [scores.value_of(each, name) for each in system.seeds.values()]
        if any(value is not None for value in values):
            texts = ["" if value is None else scores.written(name, value) for value in values]
            rows.append((score.title, texts))
    return rows


def flat(block: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Flattens settings to rows (dotted name, value)."""
    rows = []
    for name, value in block.items():
        if isinstance(value, dict) and value:
            rows += flat(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, str(value)))
    return rows
