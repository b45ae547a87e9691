"""What every stage does first: the settings, the backend, quiet libraries; and how it ends."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from pipelines import errors
from pipelines.errors import UserError
from pipelines.settings import Settings, load_settings, project_root


def stage(run: Callable[[str, Settings, Path], None], usage: str) -> None:
    """Runs one stage for the key named on the command line.

    Args:
        run: `run(key, settings, root)`; it imports Keras itself, after the backend was chosen.
        usage: For the error when the key is missing, such as "python -m pipelines.train KEY".
    """
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        print(f"usage: {usage}", file=sys.stderr)
        raise SystemExit(2)

    def command() -> None:
        settings = load_settings()
        settings.choose_backend()
        quiet()
        run(sys.argv[1], settings, project_root())

    errors.main(command)


def quiet() -> None:
    """Keeps the start-up chatter of libraries out of what a user reads."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("jax").setLevel(logging.ERROR)


def need(path: Path, made_by: str) -> Path:
    """Returns a path that an earlier stage made, or says how to make it."""
    if not path.exists():
        raise UserError(f"{path} is missing: make it with: {made_by}")
    return path
