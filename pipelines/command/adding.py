"""Copies a recipe into `params.yaml`: what `gm-keras add` does."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml.error import YAMLError

from pipelines.command import fitting
from pipelines.settings import blocks, keys, params_file
from pipelines.shared import catalog, entries, yaml_file
from pipelines.shared.errors import UserError

LAYOUT = (
    "is laid out in a way that this command cannot edit: it is unchanged; copy the block from "
    "`gm-keras show` by hand"
)


@dataclass(frozen=True)
class Added:
    """A new entry of `params.yaml`.

    Attributes:
        key: Its name.
        chosen: Why it has the numbers that it has, for the user; None where they are those that the recipe was
            tuned to for this data set.
    """

    key: str
    chosen: str | None = None


def add(
    path: Path, name: str, dataset: str | None = None, key: str | None = None
) -> tuple[Added, ...]:
    """Adds the recipe of a system to `params.yaml`, and its data set if that is missing.

    For a data set that the recipe was not tuned for, its numbers for data of that shape are taken.

    A system that builds on another (`uses:`) needs that one trained on the same data set: if
    there is none, its recipe is added too, before the system itself.

    Args:
        path: Where `params.yaml` is.
        name: The name of a recipe.
        dataset: The data set to train on; by default the recipe's own.
        key: The name of the new entry; by default the recipe's.

    Returns:
        The new entries; the last one is the system asked for.

    Raises:
        UserError: A name is unknown or taken, the recipe has no numbers for such data, or the file cannot be
            edited; it is as it was.
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
) -> tuple[str, tuple[Added, ...]]:
    """The text with the new entries, and what they are."""
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
    facts = None
    if dataset not in recipe.datasets:
        facts = fitting.look(dataset, data[dataset] or {}, path.parent)
    added: list[Added] = []
    for each, rows, block, chosen in _blocks(recipe, dataset, key, systems, facts):
        systems = {**systems, each: block}
        new = params_file.with_entry(new, "systems", each, rows)
        added.append(Added(each, chosen))
    keys.check_all(f"{path.name}: systems", systems)
    keys.check_all(f"{path.name}: data", data)
    expected = {**content, "systems": systems} | ({"data": data} if data else {})
    _check(path, new, expected)
    return new, tuple(added)


def _blocks(
    recipe: catalog.Recipe,
    dataset: str,
    key: str,
    systems: dict[str, Any],
    facts: fitting.Facts | None,
) -> list[tuple[str, list[str], dict[str, Any], str | None]]:
    """The entries to add, as (key, lines, content, why): those that the system uses, then itself."""
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
            first = catalog.recipe(used)
            before = _blocks(first, dataset, uses, {**systems, key: None}, facts)
        if uses != used:
            changes["uses"] = uses
    if dataset != recipe.system["data"]:
        changes["data"] = dataset
    rows, chosen = _tuned(recipe, dataset, facts)
    rows = params_file.override(rows, changes)
    block = yaml_file.parse("\n".join(rows), recipe.name)
    return [*before, (key, rows, block, chosen)]


def _tuned(
    recipe: catalog.Recipe, dataset: str, facts: fitting.Facts | None
) -> tuple[list[str], str | None]:
    """The lines of a recipe's block for a data set, and why they are these."""
    rows = params_file.section_rows(recipe.text, "system")
    if facts is None:
        if dataset in recipe.overrides:
            tuned = blocks.nested(recipe.text, "datasets_overrides", dataset)
            rows = blocks.overlay(blocks.general(rows), tuned)
        return rows, None
    fit = fitting.fit(recipe, facts)
    rows = blocks.general(rows)
    for name in fit.without:
        rows = blocks.without(rows, *name.split("."))
    rows = blocks.overlay(
        rows, blocks.leaving_out(blocks.nested(recipe.text, "shapes", fit.shape), fitting.BESIDES)
    )
    if facts.in_colour and "colour" in (recipe.shapes[fit.shape] or {}):
        rows = blocks.overlay(rows, blocks.nested(recipe.text, "shapes", fit.shape, "colour"))
    told = f"{dataset} has {facts.told}, {facts.train:,} to train on"
    for changes, note in fitting.of_the_data(
        yaml_file.parse("\n".join(rows), recipe.name), facts, fit
    ):
        rows = params_file.override(rows, changes, note)
    numbers = f"numbers for {fitting.words(fit.shape)}"
    return [f"# {numbers}: {told}", *rows], f"{recipe.name} has {numbers}: {told}"


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
