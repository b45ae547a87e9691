"""Copies a recipe into `params.yaml`: what `gm-keras add` does."""

from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from pipelines.settings import keys, params_file
from pipelines.shared import catalog, entries, yaml_file
from pipelines.shared.errors import UserError

LAYOUT = (
    "is laid out in a way that this command cannot edit: it is unchanged; copy the block from "
    "`gm-keras show` by hand"
)


def add(
    path: Path, name: str, dataset: str | None = None, key: str | None = None
) -> tuple[str, ...]:
    """Adds the recipe of a system to `params.yaml`, and its data set if that is missing.

    A system that builds on another (`uses:`) needs that one trained on the same data set: if
    there is none, its recipe is added too, before the system itself.

    Args:
        path: Where `params.yaml` is.
        name: The name of a recipe.
        dataset: The data set to train on; by default the recipe's own.
        key: The name of the new entry; by default the recipe's.

    Returns:
        The keys of the new entries; the last one is that of the system asked for.

    Raises:
        UserError: A name is unknown or taken, or the file cannot be edited; it is as it was.
    """
    recipe = catalog.recipe(name)
    key = name if key is None else key
    keys.check("--as", key)
    text = params_file.read(path)
    try:
        new, added = _edited(path, text, recipe, dataset, key)
    except (YAMLError, ValueError, TypeError, LookupError, AttributeError, RecursionError):
        # Editing by lines does not know every layout that YAML allows.
        raise UserError(f"{path} {LAYOUT}") from None
    params_file.write(path, new)
    return added


def _edited(
    path: Path, text: str, recipe: catalog.Recipe, dataset: str | None, key: str
) -> tuple[str, tuple[str, ...]]:
    """The text with the new entries, and their keys."""
    content = params_file.parse(text)
    for section in ("systems", "data"):
        if not isinstance(content.get(section) or {}, dict):
            raise UserError(f'{path}: "{section}:" is not a mapping of names to settings')
    systems, data = content.get("systems") or {}, content.get("data") or {}
    if key in systems:
        raise UserError(
            f'{path} has a system "{key}" already: choose another key with --as, '
            f"such as --as {_free(key, systems)}"
        )
    dataset = dataset or recipe.system["data"]
    known = {*recipe.datasets, recipe.system["data"], *data}
    if dataset not in known:
        raise UserError(
            f'the recipe "{recipe.name}" does not name a data set "{dataset}", nor does "data:" in '
            f"{path} (there a new one goes first): {entries.unknown(dataset, sorted(known), path.parent)}"
        )

    new = text
    if dataset not in data:
        entry = recipe.entries.get(dataset, {"source": "tfds"})
        data = {**data, dataset: entry}
        new = params_file.with_entry(
            new, "data", dataset, [f"{{ {params_file.inline(entry)[1:-1]} }}"]
        )
    added: list[str] = []
    for each, rows, block in _blocks(recipe, dataset, key, systems):
        systems = {**systems, each: block}
        new = params_file.with_entry(new, "systems", each, rows)
        added.append(each)
    keys.check_all(f"{path.name}: systems", systems)
    keys.check_all(f"{path.name}: data", data)
    expected = {**content, "systems": systems} | ({"data": data} if data else {})
    _check(path, new, expected)
    return new, tuple(added)


def _blocks(
    recipe: catalog.Recipe, dataset: str, key: str, systems: dict[str, Any]
) -> list[tuple[str, list[str], dict[str, Any]]]:
    """The entries to add, as (key, lines, content): those that the system uses, then itself."""
    changes: dict[str, Any] = {}
    before = []
    used = catalog.used(recipe.system)
    if used is not None:
        matching = [
            each
            for each, block in systems.items()
            if isinstance(block, dict)
            and (block.get("class"), block.get("data")) == (used, dataset)
        ]
        if used in matching or used not in (*systems, key):
            uses = used
        else:  # that key is taken by the same class on other data, or by something else
            uses = matching[0] if matching else _free(f"{used}_{dataset}", {**systems, key: None})
        if uses not in systems:
            before = _blocks(catalog.recipe(used), dataset, uses, {**systems, key: None})
        if uses != used:
            changes["uses"] = uses
    if dataset != recipe.system["data"]:
        changes["data"] = dataset
    tuned = recipe.overrides.get(dataset, {})
    rows = params_file.section_rows(recipe.text, "system")
    rows = params_file.override(rows, tuned, note=f"for {dataset}")
    rows = params_file.override(rows, changes)
    block = params_file.merged(recipe.system, {**tuned, **changes})
    return [*before, (key, rows, block)]


def _free(key: str, taken: dict[str, Any]) -> str:
    number, free = 1, key
    while free in taken:
        number += 1
        free = f"{key}_{number}"
    return free


def _check(path: Path, text: str, expected: dict[str, Any]) -> None:
    """Refuses an edit whose text does not read as the old content plus the new entry."""
    try:
        right = yaml_file.parse(text, path.name) == expected
    except UserError:
        right = False
    if not right:
        raise UserError(f"{path} {LAYOUT}")
