"""Puts the page together: `reports/index.html` and `reports/samples.png`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from pipelines.report import curves, inputs, leaderboard, lineage, pictures, published, readings
from pipelines.report.inputs import System
from pipelines.settings import load_settings, project_root
from pipelines.shared import scores
from pipelines.shared.files import replacing
from pipelines.tracking import revision

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Shown:
    """A system as the templates take it: what was read, and what was made of it."""

    system: System
    thumbnail: pictures.Embedded
    samples: pictures.Embedded
    epochs: list[tuple[int, pictures.Embedded]]
    latents: list[tuple[inputs.Picture, pictures.Embedded]]
    readings: dict[str, list[readings.Reading]]
    circumstances: list[str]
    left_out: list[tuple[str, str]]
    by_seed: list[tuple[str, list[str]]]
    plots: list[curves.Plot]
    published: list[published.Comparison]
    lineage: list[lineage.Link]
    parameters: list[tuple[str, str]]
    headline: str


def run() -> None:
    """Writes the page and the picture with the samples of all systems."""
    settings, root = load_settings(), project_root()
    keys = inputs.evaluated(settings, root)
    missing = [key for key in settings.systems if key not in keys]
    systems = [inputs.read_system(key, settings, root) for key in keys]
    hashes = lineage.locked_hashes(root)
    page = render(
        systems=[_shown(system, hashes) for system in systems],
        tables=leaderboard.tables(systems),
        missing=missing,
        code=_code(root),
    )
    overview = pictures.overview([system.samples for system in systems])
    with replacing(root / "reports" / "index.html") as path:
        path.write_text(page, encoding="utf-8")
    with replacing(root / "reports" / "samples.png") as path:
        overview.save(path)
    for key in missing:
        print(f"{key} is not on the page: evaluate it with: dvc repro evaluate@{key}")
    print(f"{len(systems)} systems on {root / 'reports' / 'index.html'}")


def _code(root: Path) -> dict[str, Any]:
    """The git revision of the checkout, None outside a repository, and whether it was changed."""
    tags = revision.revision_tags(root, None)
    return {"revision": tags.get("git.revision"), "changed": tags.get("git.dirty") == "true"}


def render(**content: Any) -> str:
    """Fills the templates in; style and script become part of the page."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("page.html").render(
        **content,
        style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
        script=Markup((TEMPLATES / "script.js").read_text(encoding="utf-8")),
    )


def _shown(system: System, hashes: dict[str, str]) -> Shown:
    evaluate, train = f"dvc repro -f evaluate@{system.key}", f"dvc repro -f train@{system.key}"
    return Shown(
        system=system,
        thumbnail=pictures.thumbnail(system.samples, evaluate),
        samples=pictures.embed(system.samples, evaluate),
        epochs=[(epoch, pictures.embed(path, train)) for epoch, path in system.epochs],
        latents=[(each, pictures.embed(path, evaluate)) for each, path in system.latents],
        readings=readings.readings(system),
        circumstances=readings.circumstances(system),
        left_out=[
            (scores.SCORES[name].title if name in scores.SCORES else name, reason)
            for name, reason in system.metrics.left_out.items()
        ],
        by_seed=_by_seed(system),
        plots=curves.plots(system.history),
        published=published.comparisons(system),
        lineage=lineage.chain(system, hashes),
        parameters=flat(system.settings.model_dump(by_alias=True)),
        headline=_headline(system),
    )


def _headline(system: System) -> str:
    """The one score by which trainings of a system are compared, for the overview."""
    primary = system.metrics.primary
    name = primary.name if primary else None
    if name is None or system.value(name) is None:
        return ""
    title = scores.SCORES[name].title if name in scores.SCORES else name
    value = scores.written(name, system.value(name), system.error(name))
    return f"{title} {readings.sign(system, name)}{value}"


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
