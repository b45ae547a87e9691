"""The store that MLflow writes to: where it is, whether it answers, and its experiment.

MLflow is imported when it is needed: that takes four seconds, and a server that does not answer is
found in less.
"""

import logging
import os
import queue
import sqlite3
import ssl
import threading
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pipelines.settings import EXPERIMENTS_OF_DVC, project_root
from pipelines.shared.errors import UserError

if TYPE_CHECKING:
    from mlflow import MlflowClient

SQLITE = "sqlite:///"
PROBE_SECONDS = 4.0
# The experiment's tag by which MLflow's pages begin with runs and charts, and not with traces of language models.
KIND, TRAINING = "mlflow.experimentKind", "custom_model_development"
# The same in the address of a page: where it is not said, the pages of some releases begin with traces all the same.
PAGE = "/#/experiments/{}?workflowType=machine_learning"


class Tracking(Protocol):
    """The block `tracking:` of `params.yaml`."""

    uri: str
    experiment: str


def repository() -> Path:
    """The folder of the store: the project, also from within DVC's temporary copies of it.

    `dvc exp run --temp` and `--queue` run in a copy, and remove it: a store there would go with it.
    """
    root = str(project_root().resolve())
    return Path(root.split(f"{os.sep}{EXPERIMENTS_OF_DVC}{os.sep}", maxsplit=1)[0])


def store_uri(tracking: Tracking) -> str:
    """The URI of the store: `MLFLOW_TRACKING_URI` wins; a relative SQLite file is in the project."""
    uri = os.environ.get("MLFLOW_TRACKING_URI") or tracking.uri
    if uri.startswith(SQLITE):
        return SQLITE + str(repository() / uri.removeprefix(SQLITE))
    return uri


def check(tracking: Tracking) -> None:
    """Makes sure that runs can be tracked, before hours of training and not after.

    Args:
        tracking: The settings; the experiment is made if it is not there.

    Raises:
        UserError: One line; within seconds also for a server that does not answer.
    """
    open_store(tracking)


def open_store(tracking: Tracking) -> tuple["MlflowClient", str]:
    """Connects to the store.

    Returns:
        A client, and the identifier of the experiment.

    Raises:
        UserError: The store cannot be reached or written to, or the experiment was deleted.
    """
    uri = store_uri(tracking)
    probe(uri)
    _settle_mlflow()
    import mlflow

    mlflow.set_tracking_uri(uri)
    try:
        return mlflow.MlflowClient(uri), _experiment(mlflow.MlflowClient(uri), tracking, uri)
    except UserError:
        raise
    except Exception as error:  # MLflow lets through what its many stores raise
        raise unusable(uri, error) from None


def unusable(uri: str, error: Exception) -> UserError:
    """The error for a store that MLflow cannot work with."""
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    return UserError(
        f"cannot track runs in {without_password(uri)}: {reason}; "
        "mend tracking.uri in params.yaml or MLFLOW_TRACKING_URI"
    )


def without_password(uri: str) -> str:
    """The URI as it may be shown."""
    head, separator, rest = uri.partition("://")
    user, at, place = rest.rpartition("@")
    return f"{head}{separator}{user.split(':')[0]}{at}{place}" if at else uri


def probe(uri: str) -> None:
    """Makes sure, without MLflow, that there is a store to talk to; a `UserError` says what is wrong."""
    if uri.startswith(("http://", "https://")):
        _probe_server(uri)
    elif uri.startswith(SQLITE):
        _probe_sqlite(Path(uri.removeprefix(SQLITE).split("?")[0]))


def _probe_server(uri: str) -> None:
    # In a thread: a timeout bounds the connection, but not the search for the name's address.
    answers: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=lambda: answers.put(_ask(uri)), daemon=True).start()
    try:
        problem = answers.get(timeout=PROBE_SECONDS + 0.5)
    except queue.Empty:
        problem = f"no answer within {PROBE_SECONDS:.0f} seconds"
    if problem:
        raise UserError(
            f"cannot reach the tracking server {without_password(uri)}: {problem}; start it, or mend "
            "tracking.uri in params.yaml or MLFLOW_TRACKING_URI"
        )


def _ask(uri: str) -> str | None:
    try:
        urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=PROBE_SECONDS).close()
    except urllib.error.HTTPError:
        return None  # it answers; what it thinks of the request is told by MLflow
    except urllib.error.URLError as error:
        return None if isinstance(error.reason, ssl.SSLError) else str(error.reason)
    except (OSError, ValueError) as error:
        return str(error)
    return None


def _probe_sqlite(path: Path) -> None:
    try:
        if path.is_dir():
            raise OSError("it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(path, timeout=PROBE_SECONDS)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("CREATE TABLE gm_keras_probe (x)")
            connection.rollback()
    except (OSError, sqlite3.Error) as error:
        reason = getattr(error, "strerror", None) or error
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(
            error, sqlite3.OperationalError
        ):
            reason = f"{reason} (move the file away, and an empty one is made)"
        raise UserError(
            f"cannot write the tracking store {path}: {reason}; "
            "mend tracking.uri in params.yaml or MLFLOW_TRACKING_URI"
        ) from None


def _settle_mlflow() -> None:
    """Bounds MLflow's patience, which is minutes by default, and its talk; the user's own wins."""
    for name, value in {
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
        "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "DO_NOT_TRACK": "true",
        "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
        "MLFLOW_RECORD_ENV_VARS_IN_MODEL_LOGGING": "false",
        "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    }.items():
        os.environ.setdefault(name, value)
    # The import sets the levels of its loggers.
    import mlflow  # noqa: F401

    for name in ("alembic", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    # It writes the traceback of each error of the database, which is told in one line besides.
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)


def _experiment(client: "MlflowClient", tracking: Tracking, uri: str) -> str:
    known: Any = client.get_experiment_by_name(tracking.experiment)
    if known is None:
        # A server says itself where its artifacts are. For a database MLflow would take ./mlruns of
        # whatever folder the process happens to be in.
        local = not uri.startswith(("http://", "https://", "databricks"))
        place = (repository() / "mlartifacts").as_uri() if local else None
        return client.create_experiment(
            tracking.experiment, artifact_location=place, tags={KIND: TRAINING}
        )
    if known.lifecycle_stage != "active":
        raise UserError(
            f'the experiment "{tracking.experiment}" was deleted from {without_password(uri)}: restore it with '
            f"mlflow experiments restore --experiment-id {known.experiment_id}, "
            "or name another one as tracking.experiment in params.yaml"
        )
    # What MLflow guessed, or never asked, is set; what a user chose stays.
    if "inferred" in known.tags.get(KIND, "inferred"):
        client.set_experiment_tag(known.experiment_id, KIND, TRAINING)
    return known.experiment_id
