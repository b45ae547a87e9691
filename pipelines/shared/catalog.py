"""The catalogue of systems: what the recipes say, read without importing Keras."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

import gm_keras
from pipelines.shared import yaml_file
from pipelines.shared.errors import UserError, nearest

#: What begins a recipe's block for `params.yaml`. All that a list of systems tells stands above it.
BLOCK = "\nsystem:"
NEEDED = ("paper", "summary", "family", "capabilities", "datasets", "system")


@dataclass(frozen=True)
class Head:
    """The beginning of a recipe, as far as a list of systems needs it.

    Attributes:
        name: The name of the system: the file's name without `.yaml`.
        paper: `title`, `authors`, `year` and, where there is one, `arxiv`.
        summary: One line.
        family: The package under `gm_keras/models/`.
        capabilities: What the system can do: `sampler`, `density`, ...
        datasets: The data sets that the recipe is tuned for; the first is the system's own.
    """

    name: str
    paper: dict[str, Any]
    summary: str
    family: str
    capabilities: tuple[str, ...]
    datasets: tuple[str, ...]

    @classmethod
    def read(cls, name: str, content: dict[str, Any], **further: Any) -> Self:
        """Makes one of a recipe's content, and what else there is to tell of it."""
        return cls(
            name=name,
            paper=content["paper"],
            summary=content["summary"],
            family=content["family"],
            capabilities=tuple(content["capabilities"]),
            datasets=tuple(content["datasets"]),  # names, or a mapping of names to entries
            **further,
        )


@dataclass(frozen=True)
class Recipe(Head):
    """What one recipe says.

    Attributes:
        text: The file as it stands, with its comments.
        system: The block for `params.yaml`.
        entries: For each of the data sets, its entry in `params.yaml`.
        overrides: For each data set that needs it, what differs from `system`.
        shapes: For own data by their shape (`vectors`, `images_32`, `pairs_64`, `text`, `sound`), what differs.
        test: Constructor arguments of the small model that the tests build.
        published: Figures that papers report of this system, each with `data`, `metric` (a name of
            `pipelines.shared.scores` where one fits), `value`, `source` and, where known, `error`, `unit`
            and `setting`.
        reached: What `gm-keras record` wrote of finished runs of this recipe, one for each data set.
    """

    text: str
    system: dict[str, Any]
    entries: dict[str, dict[str, Any]] = field(default_factory=dict)
    overrides: dict[str, dict[str, Any]] = field(default_factory=dict)
    shapes: dict[str, dict[str, Any] | None] = field(default_factory=dict)
    test: dict[str, Any] = field(default_factory=dict)
    published: tuple[dict[str, Any], ...] = ()
    reached: tuple[dict[str, Any], ...] = ()


def folder() -> Path:
    """Returns the folder of the recipes."""
    return Path(gm_keras.__file__).parent / "recipes"


def names() -> list[str]:
    """Returns the names of all systems, sorted."""
    return sorted(path.stem for path in folder().glob("*.yaml"))


@cache
def recipe(name: str) -> Recipe:
    """Reads one recipe.

    Args:
        name: The name of a system, such as one of `names()`.

    Raises:
        UserError: There is no such recipe; the message names the nearest one.
    """
    if name not in names():
        raise UserError(f'there is no system "{name}": {nearest(name, names())}')
    path = folder() / f"{name}.yaml"
    text = yaml_file.read(path)
    content = yaml_file.parse(text, path.name)
    missing = [
        each for each in NEEDED if not isinstance(content, dict) or content.get(each) is None
    ]
    if missing:
        raise UserError(f"{path} is no recipe: it lacks {', '.join(missing)}")
    datasets = content["datasets"]
    entries = datasets if isinstance(datasets, dict) else {}
    return Recipe.read(
        name,
        content,
        text=text,
        entries={name: entries.get(name) or {"source": "tfds"} for name in datasets},
        system=content["system"],
        overrides=content.get("datasets_overrides") or {},
        shapes=content.get("shapes") or {},
        test=content.get("test") or {},
        published=tuple(content.get("published") or ()),
        reached=tuple(content.get("reached") or ()),
    )


def heads() -> list[Head]:
    """Reads the beginning of every recipe, in the order of the names: a tenth of the time of reading all of it."""
    return [_head(name) for name in names()]


def _head(name: str) -> Head:
    text = yaml_file.read(folder() / f"{name}.yaml")
    try:
        # With the C parser where it is installed; whatever it does not like is told by the other one.
        content = YAML(typ="safe").load(text.partition(BLOCK)[0])
        return Head.read(name, content)
    except (YAMLError, LookupError, TypeError):
        return recipe(name)


def used(system: dict[str, Any]) -> str | None:
    """The system that a two-stage system's block builds on, under `uses:`; None if there is none."""
    name = system.get("uses")
    return None if name in (None, "none") else name


def recipes() -> list[Recipe]:
    """Reads every recipe, in the order of the names."""
    return [recipe(name) for name in names()]
