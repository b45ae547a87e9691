"""Copies a recipe into `params.yaml`: what `gm-keras add` does."""

import re
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipelines import catalog, params_file
from pipelines.errors import UserError, nearest

# YAML 1.1 readers take these bare words for truth values.
TRUTH_WORDS = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})


def add(path: Path, name: str, dataset: str | None = None, key: str | None = None) -> str:
    """Adds the recipe of a system to `params.yaml`, and its data set if that is missing.

    Args:
        path: Where `params.yaml` is.
        name: The name of a recipe.
        dataset: The data set to train on; by default the recipe's own.
        key: The name of the new entry; by default the recipe's.

    Returns:
        The key of the new entry.

    Raises:
        UserError: A name is unknown or taken, or the file cannot be edited; it is as it was.
    """
    recipe = catalog.recipe(name)
    key = _checked_key(key or name)
    text = params_file.read(path)
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
            f'the recipe "{name}" does not name a data set "{dataset}", nor does "data:" in '
            f"{path} (there a new one goes first): {nearest(dataset, sorted(known))}"
        )

    changes = recipe.overrides.get(dataset, {})
    rows = params_file.section_rows(recipe.text, "system")
    rows = params_file.override(rows, changes, note=f"for {dataset}")
    if dataset != recipe.system["data"]:
        rows = params_file.override(rows, {"data": dataset})
        changes = {**changes, "data": dataset}
    expected = {
        **content,
        "systems": {**systems, key: params_file.merged(recipe.system, changes)},
    }
    new = params_file.with_entry(text, "systems", key, rows)
    if dataset not in data:
        expected["data"] = {**data, dataset: {"source": "tfds"}}
        new = params_file.with_entry(new, "data", dataset, ["{ source: tfds }"])
    _check(path, new, expected)
    params_file.write(path, new)
    return key


def _checked_key(key: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", key) or key.lower() in TRUTH_WORDS:
        raise UserError(
            f'"{key}" cannot be a key: it names folders and stages, so letters, digits and '
            "underscores, a letter first, and no word that YAML takes for true or false"
        )
    return key


def _free(key: str, taken: dict[str, Any]) -> str:
    number = 2
    while f"{key}_{number}" in taken:
        number += 1
    return f"{key}_{number}"


def _check(path: Path, text: str, expected: dict[str, Any]) -> None:
    """Refuses an edit whose text does not read as the old content plus the new entry."""
    try:
        right = YAML(typ="safe").load(text) == expected
    except Exception:  # any failure to read it back means the same: do not write it
        right = False
    if not right:
        raise UserError(
            f"{path} is laid out in a way that this command cannot edit: it is unchanged; "
            "copy the block from `gm-keras show` by hand"
        )
