"""The registry's side of a promotion: finds both models, has them measured, moves the alias."""

import hashlib
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from flows import command
from flows.promotion import Decision, Score, decide
from gm_keras import reading
from pipelines.settings import Settings
from pipelines.shared.errors import UserError
from pipelines.tracking.store import open_store, unusable

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion

Log = Callable[[str], None]


@contextmanager
def registry_of(settings: Settings) -> Iterator["MlflowClient"]:
    """Gives a client of the registry that `params.yaml` names.

    Raises:
        UserError: The registry does not answer, or refuses.
    """
    from mlflow.exceptions import MlflowException

    client, _ = open_store(settings.tracking)
    try:
        yield client
    except MlflowException as error:
        raise unusable(settings.tracking.uri, error) from None


def version_of(registry: "MlflowClient", key: str, alias: str) -> "ModelVersion | None":
    """Returns the version of a system's model that an alias points to, or None."""
    from mlflow.exceptions import MlflowException

    try:
        return registry.get_model_version_by_alias(key, alias)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def export_is_registered(registry: "MlflowClient", key: str, root: Path) -> bool:
    """Whether the registry's challenger is the model in `models/<key>/`.

    It is not when DVC brought the export back from its cache, where nothing is registered.
    """
    challenger = version_of(registry, key, "challenger")
    if challenger is None:
        return False
    recorded = challenger.tags.get("weights_sha256")
    return recorded is None or recorded == _sha256(root / "models" / key / "model.weights.h5")


def promote(
    registry: "MlflowClient", settings: Settings, key: str, root: Path, log: Log
) -> Decision:
    """Makes the challenger of a system its champion if it is better on the same test set.

    Args:
        registry: Where the models are registered.
        settings: `params.yaml`.
        key: A system whose stages are up to date.
        root: The folder of the project.
        log: Takes lines that say what happens.

    Raises:
        UserError: A stage did not leave what the comparison needs.
    """
    challenger = version_of(registry, key, "challenger")
    if challenger is None:
        raise UserError(f'the registry has no challenger of "{key}": dvc repro -f -s export@{key}')
    champion = version_of(registry, key, "champion")
    if champion is not None and champion.version == challenger.version:
        return Decision(False, f"nothing new: version {champion.version} is the champion already")

    score = _score(settings, key, root / "reports" / key / "scores.json")
    _remember(registry, challenger, score)
    try:
        rival = champion and _champion_score(registry, settings, key, champion, score, root, log)
    except UserError as error:
        return Decision(False, f"the champion cannot be measured on this test set: {error}")
    decision = decide(score, rival)
    if decision.promote:
        registry.set_registered_model_alias(key, "champion", challenger.version)
    return decision


def _champion_score(
    registry: "MlflowClient",
    settings: Settings,
    key: str,
    champion: "ModelVersion",
    challenger: Score,
    root: Path,
    log: Log,
) -> Score:
    """Returns the champion's score on the challenger's test set, measured anew if need be."""
    recorded = Score.from_tags(champion.tags)
    if recorded is not None and recorded.comparable(challenger):
        return recorded
    log(f"the champion of {key}, version {champion.version}, is measured on this test set")
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "scores.json"
        model = _download(key, champion, Path(folder))
        evaluate = [sys.executable, "-m", "pipelines.evaluate", key]
        options = ["--model", str(model), "--output", str(output)]
        code, lines = command.run([*evaluate, *options], root, log)
        if code:
            raise UserError((lines[-1] if lines else "no output").removeprefix("error: "))
        score = _score(settings, key, output)
    _remember(registry, champion, score)
    return score


def _download(key: str, champion: "ModelVersion", folder: Path) -> Path:
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException

    place = f"models:/{key}/{champion.version}"
    try:
        local = Path(download_artifacts(artifact_uri=place, dst_path=str(folder / "model")))
    except (MlflowException, OSError) as error:
        raise UserError(f"{place} cannot be read: {' '.join(str(error).split())}") from None
    found = sorted(local.rglob("model.keras"))
    if not found:
        raise UserError(f"{place} holds no model.keras")
    return found[0]


def _score(settings: Settings, key: str, path: Path) -> Score:
    try:
        metrics = reading.parse_json(reading.read_bytes(path), str(path))
        # How the test set is used shapes the value as much as the test set does.
        protocol = {
            "data": metrics["data_checksum"],
            "extractor": (metrics.get("extractor") or {}).get("sha256"),
            "evaluate": settings.system(key).evaluate.model_dump(mode="json"),
        }
        text = json.dumps(protocol, sort_keys=True)
        return Score.from_metrics(metrics, hashlib.sha256(text.encode()).hexdigest()[:16])
    except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} does not hold a primary metric: {error!r}") from None


def _remember(registry: "MlflowClient", version: "ModelVersion", score: Score) -> None:
    for name, value in score.tags().items():
        registry.set_model_version_tag(version.name, version.version, name, value)


def _sha256(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
