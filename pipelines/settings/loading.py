"""`params.yaml`, checked: every key known, every value of its type and range, before anything runs.

This module imports neither Keras nor the models, so that a stage can choose the backend first.
"""

import os
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin

from pydantic import ValidationError

from pipelines.settings import keys, optimizer_settings, signatures
from pipelines.settings.keys import NOTHING
from pipelines.settings.schema import LARGEST_SEED, Settings, SystemSettings
from pipelines.shared import catalog, entries, yaml_file
from pipelines.shared.errors import UserError, nearest
from pipelines.shared.wording import problem, shown

#: Where `dvc exp run --temp` and `--queue` work, in copies of the project.
EXPERIMENTS_OF_DVC = Path(".dvc", "tmp", "exps")


def project_root() -> Path:
    """The folder of `params.yaml`: DVC's root within a stage, otherwise the current folder."""
    here, root = Path.cwd(), os.environ.get("DVC_ROOT")
    # Of an experiment in a folder of its own DVC names the root of the project that it was made from.
    if not root or here.is_relative_to(Path(root, EXPERIMENTS_OF_DVC).resolve()):
        return here
    return Path(root)


def load_settings(path: Path | None = None) -> Settings:
    """Reads and checks `params.yaml`.

    Args:
        path: Another file; by default that of `project_root()`.

    Returns:
        The settings.

    Raises:
        UserError: One line for the first thing that is wrong: where, what was expected, what came.
    """
    path = path or project_root() / "params.yaml"
    return settings_of(yaml_file.load(path), path.name)


def settings_of(content: Any, file: str = "params.yaml") -> Settings:
    """Checks what stands in `params.yaml`.

    Args:
        content: What the file reads as.
        file: What errors call it.

    Returns:
        The settings.

    Raises:
        UserError: As `load_settings` does.
    """
    if not isinstance(content, dict):
        raise UserError(f"{file} must hold keys and values; see the README for an example")
    _check_keys(file, content)
    _refuse_families(file, content)
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{file}: {_first_problem(error)}") from None
    for key, system in settings.systems.items():
        _check_system(file, key, system, settings)
    return settings


def _check_keys(file: str, content: dict[str, Any]) -> None:
    """Refuses keys of the user's own that cannot name folders and stages."""
    for section in ("data", "systems"):
        if isinstance(content.get(section), dict):
            keys.check_all(f"{file}: {section}", content[section])
    systems = content.get("systems")
    for key, system in systems.items() if isinstance(systems, dict) else ():
        block = system if isinstance(system, dict) else {}
        if isinstance(block.get("optimizers"), dict):
            keys.check_all(f"{file}: systems.{key}.optimizers", block["optimizers"])
        fit = block.get("fit")
        if isinstance(fit, dict) and isinstance(fit.get("stages"), dict):
            keys.check_all(f"{file}: systems.{key}.fit.stages", fit["stages"], keys.STAGE)


def _refuse_families(file: str, content: dict[str, Any]) -> None:
    """Says of a file of earlier versions what has to go, in all blocks at once."""
    systems = content.get("systems")
    found = [
        f"systems.{key}"
        for key, block in (systems.items() if isinstance(systems, dict) else ())
        if isinstance(block, dict) and "family" in block
    ]
    if found:
        raise UserError(
            f"{file}: {found[0]}.family is not a known key: remove the line family: from "
            f"{', '.join(found)}; the recipe of a system says it"
        )


def _first_problem(error: ValidationError) -> str:
    # A misspelt key is told before the right one, which is missing because of it.
    first = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    path = [str(part) for part in first["loc"]]
    where = ".".join(path)
    if first["type"] == "extra_forbidden":
        *parents, wrong = path
        return f"{where} is not a known key: {nearest(wrong, _known_keys(parents))}"
    if first["type"] == "missing":
        return f"{where} is missing"
    return f"{where}: {problem(first)}"


def _known_keys(parents: list[str]) -> list[str]:
    """The keys of the block that a path leads to."""
    block: Any = Settings
    for part in parents:
        if get_origin(block) is dict:
            block = get_args(block)[1]
            continue
        fields = {field.alias or name: field for name, field in block.model_fields.items()}
        block = fields[part].annotation
        if get_origin(block) is UnionType:  # such as `CheckpointSettings | None`
            block = get_args(block)[0]
    return [field.alias or name for name, field in block.model_fields.items()]


def _check_system(file: str, key: str, system: SystemSettings, settings: Settings) -> None:
    where = f"{file}: systems.{key}"
    if system.class_name not in catalog.names():
        known = nearest(system.class_name, catalog.names())
        raise UserError(f"{where}.class: there is no system {shown(system.class_name)}: {known}")
    if system.data not in settings.data:
        known = entries.unknown(system.data, list(settings.data), project_root())
        raise UserError(
            f"{where}.data: there is no data set {shown(system.data)} under data: {known}"
        )
    if system.uses != NOTHING:
        _check_uses(where, key, system, settings)
    arguments = signatures.constructor_arguments(system.class_name)
    if ("first_stage" in arguments) != (system.uses != NOTHING):
        raise UserError(
            f"{where}.uses: {system.class_name} builds on another system: name its key"
            if system.uses == NOTHING
            else f"{where}.uses: {system.class_name} builds on no other system: set it to {NOTHING}"
        )
    signatures.check_model(where + ".model", system.class_name, system.model)
    signatures.check_sample(where + ".sample", system.class_name, system.sample)
    _check_together(where, system)
    _check_optimizers(where, system)
    in_stages = "stages" in catalog.recipe(system.class_name).system["fit"]
    if in_stages != (system.fit.stages is not None):
        raise UserError(
            f"{where}.fit.epochs: {system.class_name} is trained in stages: give stages with the epochs of each"
            if in_stages
            else f"{where}.fit.stages: {system.class_name} is not trained in stages: give epochs"
        )
    last = settings.seed + system.evaluate.seeds - 1
    if last > LARGEST_SEED:
        raise UserError(
            f"{where}.evaluate.seeds: expected at most {LARGEST_SEED - settings.seed + 1} where seed is "
            f"{settings.seed}, not {system.evaluate.seeds}: the largest seed is {LARGEST_SEED:,}"
        )


def _check_optimizers(where: str, system: SystemSettings) -> None:
    # The recipe has one for each that the phases of the model use.
    names = list(catalog.recipe(system.class_name).system["optimizers"])
    if set(system.optimizers) != set(names):
        raise UserError(
            f"{where}.optimizers: {system.class_name} expected {' and '.join(names)}, not "
            + (", ".join(system.optimizers) or "none")
        )
    for name, block in system.optimizers.items():
        optimizer_settings.check_optimizer(f"{where}.optimizers.{name}", block)


def _check_together(where: str, system: SystemSettings) -> None:
    """Refuses options of a diffusion's sampler that its model rules out; a built model is asked for all of them."""

    def argument(name: str) -> Any:
        return system.model.get(name, signatures.constructor_default(system.class_name, name))

    steps, timesteps = system.sample.get("steps"), argument("timesteps")
    if steps is not None and timesteps is not None and steps > timesteps:
        raise UserError(
            f"{where}.sample.steps: expected at most {timesteps}, the timesteps of the model, not {steps}"
        )
    if system.sample.get("guidance") and not argument("num_classes"):
        raise UserError(
            f"{where}.sample.guidance: this model has no classes: give model: num_classes, or leave it out"
        )


def _check_uses(where: str, key: str, system: SystemSettings, settings: Settings) -> None:
    used = settings.systems.get(system.uses)
    if used is None:
        known = nearest(system.uses, [each for each in settings.systems if each != key])
        raise UserError(f"{where}.uses: there is no system {shown(system.uses)}: {known}")
    expected = catalog.used(catalog.recipe(system.class_name).system)
    if expected not in (None, used.class_name):
        raise UserError(
            f"{where}.uses: {system.class_name} builds on a {expected}, and {system.uses} is a {used.class_name}"
        )
    if used.data != system.data:
        raise UserError(
            f'{where}.data is "{system.data}", but {system.uses}, which it uses, learns "{used.data}": '
            "they must be the same"
        )
    chain = [key]
    while used is not None and used.uses != NOTHING:
        if used.uses in chain:
            raise UserError(f"{where}.uses: {system.uses} uses {key} in turn; one must come first")
        chain.append(used.uses)
        used = settings.systems.get(used.uses)
