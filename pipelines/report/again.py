"""How to get the numbers of a page once more: the revision, the experiment, and settings that no revision has."""

import io
from collections.abc import Iterator
from dataclasses import dataclass

from ruamel.yaml import YAML

from pipelines.report.inputs import System
from pipelines.settings import NOTHING, Settings

PARAMS = "params.yaml"


@dataclass(frozen=True)
class Again:
    """What reproduces a system.

    Attributes:
        commands: One a line.
        block: What `params.yaml` said of the system, where no commit has it; None where one has.
        changed: Other files that were not as in the revision: nobody kept those.
    """

    commands: list[str]
    block: str | None
    changed: list[str]


def again(system: System, settings: Settings, revision: str | None) -> Again:
    """Says what reproduces a system.

    Args:
        system: An evaluated system.
        settings: `params.yaml`.
        revision: Of the checkout, for a training that does not know its own; None outside a repository.
    """
    training = system.training
    revision = training.experiment_baseline or training.git_revision or revision
    commands = [f"git checkout {revision}"] if revision else []
    if training.experiment:
        commands.append(f"dvc exp apply {training.experiment}")
    commands.append(f"dvc repro page@{system.key}")
    changed = training.git_changes
    if changed is None:
        changed = [PARAMS] if training.git_dirty else []
    kept = PARAMS not in changed
    others = [name for name in changed if name != PARAMS]
    return Again(commands, None if kept else _block(system.key, settings), others)


def _block(key: str, settings: Settings) -> str:
    """The part of `params.yaml` that shapes a system: its block, those that it uses, their data, and the seed."""
    keys = [key, *_used(key, settings)]
    data = {settings.systems[each].data for each in keys}
    content = {
        "backend": settings.backend,
        "seed": settings.seed,
        "metrics": settings.metrics.model_dump(exclude_defaults=True),
        "data": {
            name: each.model_dump(exclude_unset=True)
            for name, each in settings.data.items()
            if name in data
        },
        "systems": {
            each: settings.systems[each].model_dump(by_alias=True, exclude_unset=True)
            for each in reversed(keys)
        },
    }
    text = io.StringIO()
    YAML().dump({name: value for name, value in content.items() if value != {}}, text)
    return text.getvalue()


def _used(key: str, settings: Settings) -> Iterator[str]:
    while (key := settings.system(key).uses) != NOTHING:
        yield key
