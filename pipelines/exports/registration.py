"""Registers a sampler with MLflow: the version that is `challenger` is the newest export."""

import hashlib
import importlib.metadata
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from packaging.requirements import Requirement

import gm_keras
from gm_keras.fields.table import Table
from gm_keras.reading import read_json
from pipelines.tracking import Run, describing
from pipelines.tracking.store import unusable

if TYPE_CHECKING:
    from gm_keras.core import Condition

ALIAS = "challenger"
SAMPLER = Path(__file__).with_name("sampler_model.py")
BACKENDS = {
    "jax": ("jax", "jaxlib"),
    "tensorflow": ("tensorflow", "tensorflow-cpu"),
    "torch": ("torch",),
}


def sha256(path: Path) -> str:
    """The checksum of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def package() -> Path:
    """The folder of the package `gm_keras`, which a version takes with it."""
    return Path(gm_keras.__file__).parent


def requirements(backend: str) -> list[str]:
    """The packages that serve a sampler, pinned as installed here: MLflow, what the library declares, and a backend.

    Args:
        backend: Of Keras.

    Returns:
        Each as `name==version`.
    """
    declared = map(Requirement, importlib.metadata.requires("gm_keras") or ())
    others = {name for names in BACKENDS.values() for name in names}
    needed = [each.name for each in declared if not (each.marker or each.name in others)]
    pinned = []
    for name in ("mlflow", *needed, *BACKENDS[backend]):
        try:
            pinned.append(f"{name}=={importlib.metadata.version(name)}")
        except importlib.metadata.PackageNotFoundError:
            continue  # TensorFlow is there under one of two names
    return pinned


@dataclass(frozen=True)
class Sampler:
    """A model as it is served.

    Attributes:
        key: Of the system: the name of the registered model.
        model: The `.keras` file.
        shape: Of one sample; () for text.
        backend: That it runs on, where nothing else is said: the one that it was trained with.
        options: Of `sample()`, such as the number of steps.
        code: A checksum of the code that the export uses.
        conditions: What the model is told, by name.
        table: The file of the columns, where the model makes rows of a table.
    """

    key: str
    model: Path
    shape: tuple[int, ...]
    backend: str
    options: dict[str, Any]
    code: str
    conditions: Mapping[str, "Condition"] = field(default_factory=dict)
    table: Path | None = None

    def config(self) -> dict[str, Any]:
        """What `sampler_model.py` is told besides the model."""
        return {"backend": self.backend, "options": self.options}

    def artifacts(self) -> dict[str, Path]:
        """The files that a version takes with it."""
        return {"model": self.model, **({"table": self.table} if self.table else {})}

    def fingerprint(self) -> str:
        """A checksum of everything that a version is made of."""
        files = [sha256(path) for path in self.artifacts().values()]
        parts = [*files, self.code, *requirements(self.backend), self.config()]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def register(
    run: Run, sampler: Sampler, tags: dict[str, str], data: Path | None = None, headline: str = ""
) -> str:
    """Makes a sampler the `challenger` among the versions of its system.

    A sampler that is the same to the byte, model and code, is not registered twice.

    Args:
        run: The run of the training.
        sampler: What to register.
        tags: Further tags of the version, besides `score`, `data`, `run`, `model_sha256` and `fingerprint`.
        data: The folder of the prepared data set.
        headline: The score of the model; "" where it was not measured.

    Returns:
        The number of the version.

    Raises:
        UserError: The store cannot be used.
    """
    fingerprint = sampler.fingerprint()
    tags = {**tags, "model_sha256": sha256(sampler.model), "fingerprint": fingerprint}
    try:
        version = _same_version(run, sampler.key, fingerprint)
        if version is None:
            version = _new_version(run, sampler, tags)
        _describe(run, sampler.key, version, data, headline)
        run.client.set_registered_model_alias(sampler.key, ALIAS, version)
    except Exception as error:  # MLflow lets through what its many stores raise
        raise unusable(run.uri, error) from None
    run.set_tag("model.version", version)
    return version


def _describe(run: Run, key: str, version: str, data: Path | None, headline: str) -> None:
    """Says of a version what it is, how good, of which data and run."""
    client, training = run.client, run.client.get_run(run.run_id)
    name, of_run = training.info.run_name, training.data.tags
    text = describing.renewed(
        client.get_model_version(key, version).description,
        describing.description(of_run, data, headline, run=name),
    )
    if text is not None:
        client.update_model_version(key, version, text)
    told = {"score": headline, "data": of_run.get("data", ""), "run": name}
    for tag, value in told.items():
        if value:
            client.set_model_version_tag(key, version, tag, value)
    whole = describing.renewed(
        client.get_registered_model(key).description, describing.intro(of_run)
    )
    if whole is not None:
        client.update_registered_model(key, whole)


def _same_version(run: Run, key: str, fingerprint: str) -> str | None:
    import mlflow

    for version in run.client.search_model_versions(f"name = '{key}'"):
        if version.tags.get("fingerprint") == fingerprint:
            place = run.client.get_model_version_download_uri(key, version.version)
            # Its files may have been removed since, to make room.
            if mlflow.artifacts.list_artifacts(artifact_uri=place):
                return str(version.version)
    return None


def _new_version(run: Run, sampler: Sampler, tags: dict[str, str]) -> str:
    import mlflow
    from mlflow.models import Model

    # Otherwise the model would be put into the experiment "Default", and its files into ./mlruns.
    mlflow.set_experiment(experiment_id=run.client.get_run(run.run_id).info.experiment_id)
    # `Model.log` and not `pyfunc.log_model`: the run of the training stays ended, as it was.
    with warnings.catch_warnings():
        # MLflow recommends type hints and an example; a sampler's parameters fit neither.
        warnings.simplefilter("ignore", UserWarning)
        info = Model.log(
            artifact_path=None,
            flavor=mlflow.pyfunc,
            name=sampler.key,
            run_id=run.run_id,
            python_model=str(SAMPLER),
            model_config=sampler.config(),
            artifacts={name: str(path) for name, path in sampler.artifacts().items()},
            code_paths=[str(package())],
            signature=signature(sampler),
            pip_requirements=requirements(sampler.backend),
        )
    if not run.client.search_registered_models(f"name = '{sampler.key}'"):
        run.client.create_registered_model(sampler.key)
    version = run.client.create_model_version(
        sampler.key,
        source=info.model_uri,
        run_id=run.run_id,
        model_id=info.model_id,
        tags=tags,
    )
    return str(version.version)


def _mlflow_type(dtype: str) -> str:
    """What MLflow calls the type of a column."""
    kinds = {"int": "long", "uint": "long", "float": "double", "bool": "boolean"}
    return kinds.get(dtype.rstrip("0123456789"), "string")


def signature(sampler: Sampler) -> Any:
    """What a served model takes and gives, as MLflow checks requests."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec

    inputs, params = [], [ParamSpec("n", "long", 1), ParamSpec("seed", "long", 0)]
    params.append(ParamSpec("format", "string", "rows" if sampler.table else "array"))
    for name, condition in sampler.conditions.items():
        if condition.text:
            params.append(ParamSpec(name, "string", ""))
        elif condition.is_class:
            params.append(ParamSpec(name, "long", -1))
        else:
            inputs.append((name, condition.shape))
    # JSON's numbers are float64; only several inputs have names.
    named = len(inputs) > 1
    specs = [
        TensorSpec(np.dtype("float64"), (-1, *shape), name if named else None)
        for name, shape in inputs or [("", (1,))]
    ]
    outputs = [TensorSpec(np.dtype("float32" if sampler.shape else "str"), (-1, *sampler.shape))]
    if sampler.table:
        table = Table.read(read_json(sampler.table))
        columns = table.columns if "label" in sampler.conditions else table.modelled
        outputs = [ColSpec(_mlflow_type(each.dtype), each.name) for each in columns]
    return ModelSignature(
        inputs=Schema(specs),
        outputs=Schema(outputs),
        params=ParamSchema(params),
    )
