"""Runs in MLflow: one for each training; evaluation and export write to the same run."""

import contextlib
import getpass
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.settings import project_root
from pipelines.tracking import describing, naming
from pipelines.tracking.revision import dvc_hash, revision_tags
from pipelines.tracking.store import (
    Tracking,
    check,
    open_store,
    store_uri,
    unusable,
    without_password,
)
from pipelines.tracking.tracked_run import Run, flatten

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["Run", "check", "flatten", "resume_run", "start_run"]

LONGEST_VALUE = 5000  # of a parameter or tag, in characters; MLflow keeps some more
PARAMETERS_A_CALL = 100  # a limit of MLflow


def start_run(
    tracking: Tracking,
    key: str,
    *,
    parameters: Mapping[str, Any],
    tags: Mapping[str, str],
    data: Path | None = None,
    token: str | None = None,
) -> Run:
    """Starts a run, or goes on with that of a training broken off.

    Its name tells what sets it apart from the commit, such as `vae latent_dim=8`.

    Args:
        tracking: The settings.
        key: Of the system in `params.yaml`.
        parameters: Nested settings; recorded with dots between the names.
        tags: What the caller knows: `system`, `family`, `data`, `backend`, `backend.version`, `device`,
            `seed`; the key, what its settings have that the commit has not, and the revisions of git and
            DVC are added.
        data: The folder of the prepared data set, recorded as the run's input.
        token: Names the training, as a tag of its run: where the store has such a run, that one is
            continued, and no point is written to it twice.

    Returns:
        The run. Use it as a context around the training: it ends as finished, failed or killed.

    Raises:
        UserError: The store cannot be used.
    """
    client, experiment = open_store(tracking)
    uri = store_uri(tracking)
    try:
        if token is not None:
            found = client.search_runs([experiment], f"tags.training = '{token}'", max_results=1)
            if found:
                return Run(client, found[0].info.run_id, uri, patient=True, continued=True)
            tags = {**tags, "training": token}
        run = _create(client, experiment, key, parameters, tags, data)
    except Exception as error:  # MLflow lets through what its many stores raise
        raise unusable(uri, error) from None
    return Run(client, run, uri, patient=True)


def resume_run(
    tracking: Tracking,
    key: str,
    run_id: str | None,
    *,
    parameters: Mapping[str, Any],
    tags: Mapping[str, str],
    data: Path | None = None,
) -> Run:
    """Opens the run of a training, to add to it; its status and its end stay as they are.

    Where the store does not have it (a copied checkout, a deleted store), one run takes its place for
    evaluation and export alike, and a line says so.

    Args:
        tracking: The settings.
        key: Of the system in `params.yaml`.
        run_id: As `models/<key>/run.json` has it, or None.
        parameters: For a run that takes its place; as for `start_run`.
        tags: Likewise.
        data: Likewise.

    Returns:
        The run.
    """
    client, experiment = open_store(tracking)
    uri = store_uri(tracking)
    try:
        found = _find(client, experiment, run_id)
        if found is None:
            tags = {**tags, "replaces": run_id or "unknown"}
            found = _create(client, experiment, key, parameters, tags, data)
            client.set_terminated(found)
            print(
                f"tracking: {without_password(uri)} does not have run {run_id} of {key}; "
                f"run {found} takes its place",
                flush=True,
            )
        if model := dvc_hash(project_root(), Path("models", key, "model.weights.h5")):
            client.set_tag(found, "dvc.model", model)
    except Exception as error:  # MLflow lets through what its many stores raise
        raise unusable(uri, error) from None
    return Run(client, found, uri, patient=False, continued=True)


def _find(client: "MlflowClient", experiment: str, run_id: str | None) -> str | None:
    from mlflow import MlflowException

    if not run_id:
        return None
    try:
        if client.get_run(run_id).info.lifecycle_stage == "active":
            return run_id
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
    others = client.search_runs([experiment], f"tags.replaces = '{run_id}'", max_results=1)
    return others[0].info.run_id if others else None


def _create(
    client: "MlflowClient",
    experiment: str,
    key: str,
    parameters: Mapping[str, Any],
    tags: Mapping[str, str],
    data: Path | None,
) -> str:
    from mlflow.entities import Param

    root = project_root()
    backend = tags.get("backend")
    changed = naming.differences(root, key, backend) or []
    revisions = revision_tags(root, data)
    all_tags = {
        "key": key,
        **_origin(key, revisions.get("git.revision")),
        **({"changed": ", ".join(changed)[:LONGEST_VALUE]} if changed else {}),
        **revisions,
        **{name: str(value) for name, value in tags.items()},
    }
    all_tags[describing.NOTE] = describing.description(all_tags, data)
    name = naming.run_name(root, key, backend)
    run_id = client.create_run(experiment, tags=all_tags, run_name=name).info.run_id
    flat = [Param(name, str(value)[:LONGEST_VALUE]) for name, value in flatten(parameters).items()]
    for start in range(0, len(flat), PARAMETERS_A_CALL):
        client.log_batch(run_id, params=flat[start : start + PARAMETERS_A_CALL])
    if data is not None:
        _log_data(client, run_id, data)
    return run_id


def _origin(key: str, revision: str | None) -> dict[str, str]:
    """What the columns Source, Version and User of MLflow's table of runs show."""
    tags = {"mlflow.source.type": "LOCAL", "mlflow.source.name": f"dvc repro train@{key}"}
    if revision:
        tags["mlflow.source.git.commit"] = revision
    with contextlib.suppress(ImportError, KeyError, OSError):  # a user without a name
        tags["mlflow.user"] = getpass.getuser()
    return tags


def _log_data(client: "MlflowClient", run_id: str, data: Path) -> None:
    """Records the data set as an input: its name, its checksum, its place, what is in it."""
    from mlflow.entities import Dataset, DatasetInput, InputTag

    text = (data / "dataset.json").read_bytes()
    info = json.loads(text)
    schema = [
        {
            "name": name,
            "type": "tensor",
            "tensor-info": {"dtype": field["dtype"], "shape": [-1, *field["shape"]]},
        }
        for name, field in info["fields"].items()
    ]
    dataset = Dataset(
        name=info["name"],
        digest=hashlib.sha256(text).hexdigest()[:32],
        source_type="local",
        source=json.dumps({"uri": str(data.resolve())}),
        schema=json.dumps({"mlflow_tensorspec": {"features": json.dumps(schema), "targets": None}}),
        profile=json.dumps({f"{split}_rows": n for split, n in info["splits"].items()}),
    )
    tag = InputTag(key="mlflow.data.context", value="training")
    client.log_inputs(run_id, datasets=[DatasetInput(dataset=dataset, tags=[tag])])
