"""`python -m pipelines.tracking.ui`: MLflow's pages, on this machine alone; the variable PORT chooses the port.

MLflow itself leaves with exit code 0 where the port is taken, and does not say which one.
"""

import os
import socket
import sys

from pipelines.settings import TrackingSettings, load_settings
from pipelines.shared import errors
from pipelines.shared.errors import UserError
from pipelines.tracking.store import PAGE, SQLITE, open_store, probe, repository

HOST = "127.0.0.1"
DATABASE = "mlflow.db"
STORE = f"{SQLITE}{DATABASE}"


def check_port(text: str) -> int:
    """Reads the number of a port, and makes sure that it can be listened to.

    Args:
        text: As the user wrote it.

    Raises:
        UserError: It is no port, or it is taken.
    """
    if not (text.isdecimal() and len(text) <= 5 and 0 < int(text) < 2**16):
        raise UserError(f"PORT={text}: expected the number of a port, from 1 to 65535")
    with socket.socket() as probing:
        # As the server does, which may have been stopped a moment ago.
        probing.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probing.bind((HOST, int(text)))
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            raise UserError(
                f"port {text} of {HOST} cannot be used ({reason}): choose another with PORT=, "
                "such as make ui PORT=5050"
            ) from None
    return int(text)


def runs_page() -> str | None:
    """The page with the runs of this project, as a path; None where there is no experiment yet."""
    if not (repository() / DATABASE).is_file() or "MLFLOW_TRACKING_URI" in os.environ:
        return None
    try:
        experiment = load_settings().tracking.experiment
        return PAGE.format(open_store(TrackingSettings(uri=STORE, experiment=experiment))[1])
    except UserError:
        return None  # the pages can be looked at all the same


def command() -> None:
    """Becomes MLflow's server."""
    port = check_port(os.environ.get("PORT") or "5000")
    probe(STORE)
    if page := runs_page():
        print(f"runs: http://{HOST}:{port}{page}", flush=True)
    options = ["--backend-store-uri", STORE, "--host", HOST, "--port", str(port)]
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", *options])


if __name__ == "__main__":
    errors.main(command)
