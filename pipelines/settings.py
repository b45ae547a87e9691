"""`params.yaml`, checked: every key known, every value of its type, before anything runs.

This module imports neither Keras nor the models, so that a stage can choose the backend first.
"""

import os
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from pipelines import catalog, signatures
from pipelines.errors import UserError, nearest

BACKENDS = ("jax", "tensorflow", "torch")
#: `uses:` of a system that stands on its own.
NOTHING = "none"


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, populate_by_name=True)


class TrackingSettings(_Block):
    """Where MLflow keeps the runs."""

    uri: str = "sqlite:///mlflow.db"
    experiment: str = "gm_keras"


class DataSettings(_Block):
    """One data set: its source, and how it is split."""

    source: Literal["tfds", "folder"] = "tfds"
    path: str | None = None
    validation: float = Field(0.1, gt=0.0, lt=0.5)
    test: float = Field(0.1, gt=0.0, lt=0.5)
    seed: int = 0
    image_size: PositiveInt | None = None
    pairs: Literal["edges", "side_by_side", "folders"] | None = None
    level: Literal["characters", "bytes"] = "characters"
    length: PositiveInt | None = None
    renumber: bool = False


class CheckpointSettings(_Block):
    """How often a training writes down where it stands; with both, whichever comes first."""

    steps: PositiveInt | None = None
    minutes: float | None = Field(None, gt=0.0)


class FitSettings(_Block):
    """How long a system trains, and on how much at a time.

    Attributes:
        epochs: How many; left out where there are `stages`.
        stages: The epochs of each stage of a model that is trained in several, in their order.
        batch_size: Examples for one update.
        steps_per_epoch: An epoch is so many steps instead of a pass over the data.
        steps_per_execution: Steps in one call of the device; by default what suits the backend.
        fresh_batches: Each repeat of a phase takes a batch of its own.
        grids: How many pictures are made while it trains.
        precision: What the networks compute in; weights and likelihoods stay in float32.
        checkpoint_every: Instead of that of the whole file.
    """

    epochs: PositiveInt | None = None
    stages: dict[str, PositiveInt] | None = None
    batch_size: PositiveInt
    steps_per_epoch: PositiveInt | None = None
    steps_per_execution: PositiveInt | None = None
    fresh_batches: bool = False
    grids: PositiveInt = 8
    precision: Literal["float32", "bfloat16"] = "float32"
    checkpoint_every: CheckpointSettings | None = None

    @model_validator(mode="after")
    def _one_length(self) -> "FitSettings":
        if (self.epochs is None) == (self.stages is None):
            raise ValueError("give either epochs or stages")
        return self

    @property
    def total_epochs(self) -> int:
        """The epochs of all stages."""
        return self.epochs or sum(self.stages.values())


class EvaluateSettings(_Block):
    """How a system is measured.

    Attributes:
        samples: How many are drawn.
        seeds: How often; the scores are averages.
    """

    samples: PositiveInt = 1000
    seeds: PositiveInt = 1


class MetricsSettings(_Block):
    """What samples are compared in.

    Attributes:
        extractor: "classifier" is trained on the data set, "inception" is the network that papers use.
        weights: The file with the weights of the Inception network, if not where it is looked for.
    """

    extractor: Literal["classifier", "inception"] = "classifier"
    weights: str | None = None

    def weights_file(self, root: Path) -> Path | None:
        """Where the weights are, as seen from the folder of the project; None if that is not said."""
        return root / Path(self.weights).expanduser() if self.weights else None


class SystemSettings(_Block):
    """One system that this checkout trains."""

    class_name: str = Field(alias="class")
    family: str
    data: str
    uses: str = NOTHING
    model: dict[str, Any]
    optimizers: dict[str, dict[str, Any]]
    fit: FitSettings
    sample: dict[str, Any]
    evaluate: EvaluateSettings


class Settings(_Block):
    """The whole of `params.yaml`."""

    backend: Literal["jax", "tensorflow", "torch"] = "jax"
    seed: int = Field(0, ge=0, lt=2**31)
    tracking: TrackingSettings = TrackingSettings()
    checkpoint_every: CheckpointSettings = CheckpointSettings(minutes=2.0)
    metrics: MetricsSettings = MetricsSettings()
    data: dict[str, DataSettings]
    systems: dict[str, SystemSettings]

    def system(self, key: str) -> SystemSettings:
        """The settings of one system; a `UserError` where there is none of that key."""
        if key not in self.systems:
            raise UserError(
                f'params.yaml has no system "{key}": {nearest(key, list(self.systems))}. '
                "Add one with: gm-keras add NAME"
            )
        return self.systems[key]

    def choose_backend(self) -> str:
        """Sets `KERAS_BACKEND` before Keras is imported; what the environment says wins.

        Returns:
            The backend's name.
        """
        backend = os.environ.setdefault("KERAS_BACKEND", self.backend)
        if backend not in BACKENDS:
            raise UserError(
                f'KERAS_BACKEND is "{backend}" in the environment; expected one of {", ".join(BACKENDS)}'
            )
        return backend


def project_root() -> Path:
    """The folder of `params.yaml`: DVC's root within a stage, otherwise the current folder."""
    return Path(os.environ.get("DVC_ROOT") or Path.cwd())


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
    try:
        content = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}; run this in the project") from None
    except MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise UserError(f"{path.name}{line} is not YAML: {error.problem}") from None
    except YAMLError as error:
        raise UserError(f"{path.name} is not YAML: {str(error).splitlines()[0]}") from None
    if not isinstance(content, dict):
        raise UserError(f"{path.name} must hold keys and values; see the README for an example")
    try:
        settings = Settings.model_validate(content)
    except ValidationError as error:
        raise UserError(f"{path.name}: {_first_problem(error)}") from None
    for key, system in settings.systems.items():
        _check_system(path.name, key, system, settings)
    return settings


def _first_problem(error: ValidationError) -> str:
    # A misspelt key is told before the right one, which is missing because of it.
    problem = min(error.errors(), key=lambda each: each["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "value_error":
        return f"{where}: {problem['ctx']['error']}"
    if problem["type"] == "extra_forbidden":
        *parents, wrong = [str(part) for part in problem["loc"]]
        return f"{where} is not a known key: {nearest(wrong, _known_keys(parents))}"
    if problem["type"] == "missing":
        return f"{where} is missing"
    return f"{where}: {problem['msg'][0].lower()}{problem['msg'][1:]}, not {problem['input']!r}"


def _known_keys(parents: list[str]) -> list[str]:
    blocks: dict[tuple[str, ...], type[BaseModel]] = {
        (): Settings,
        ("tracking",): TrackingSettings,
        ("checkpoint_every",): CheckpointSettings,
        ("metrics",): MetricsSettings,
        ("data", "*"): DataSettings,
        ("systems", "*"): SystemSettings,
        ("systems", "*", "fit"): FitSettings,
        ("systems", "*", "fit", "checkpoint_every"): CheckpointSettings,
        ("systems", "*", "evaluate"): EvaluateSettings,
    }
    pattern = tuple("*" if index == 1 else part for index, part in enumerate(parents))
    block = blocks[pattern]
    return [field.alias or name for name, field in block.model_fields.items()]


def _check_system(file: str, key: str, system: SystemSettings, settings: Settings) -> None:
    where = f"{file}: systems.{key}"
    if key == NOTHING:
        raise UserError(f'{where}: "{NOTHING}" cannot be a key; choose another')
    if system.class_name not in catalog.names():
        known = nearest(system.class_name, catalog.names())
        raise UserError(f'{where}.class: there is no system "{system.class_name}": {known}')
    family = catalog.recipe(system.class_name).family
    if system.family != family:
        raise UserError(
            f'{where}.family: {system.class_name} belongs to "{family}", not "{system.family}"'
        )
    if system.data not in settings.data:
        known = nearest(system.data, list(settings.data))
        raise UserError(f'{where}.data: there is no data set "{system.data}" under data: {known}')
    if system.uses != NOTHING:
        _check_uses(where, key, system, settings)
    arguments = signatures.constructor_arguments(system.class_name)
    if ("first_stage" in arguments) != (system.uses != NOTHING):
        raise UserError(
            f"{where}.uses: {system.class_name} builds on another system: name its key"
            if system.uses == NOTHING
            else f"{where}.uses: {system.class_name} builds on no other system: set it to {NOTHING}"
        )
    for name in system.model:
        if name not in arguments:
            raise UserError(f"{where}.model.{name} is not a known key: {nearest(name, arguments)}")


def _check_uses(where: str, key: str, system: SystemSettings, settings: Settings) -> None:
    used = settings.systems.get(system.uses)
    if used is None:
        known = nearest(system.uses, [each for each in settings.systems if each != key])
        raise UserError(f'{where}.uses: there is no system "{system.uses}": {known}')
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
