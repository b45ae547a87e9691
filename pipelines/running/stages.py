"""What every stage does first: the settings, the backend, quiet libraries; and how it ends."""

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from pipelines.running.compiled import keep_compiled
from pipelines.settings import Settings, load_settings, project_root
from pipelines.shared import errors
from pipelines.shared.errors import UserError


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
        end_with_dvc()
        settings = load_settings()
        settings.choose_backend()
        quiet()
        keep_compiled()
        run(sys.argv[1], settings, project_root())

    errors.main(command)


def end_with_dvc() -> None:
    """Ends this process when the DVC that started it is gone: killed, it could not stop its stages."""
    if "DVC_ROOT" not in os.environ:
        return
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.2)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, daemon=True).start()


def quiet() -> None:
    """Keeps the start-up chatter of libraries out of what a user reads."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("jax").setLevel(logging.ERROR)


def quick() -> None:
    """Has TensorFlow take oneDNN's kernels on every processor, before it is imported; what the environment says wins.

    Left to itself it takes them only where it knows AVX512-VNNI (benchmarks/NOTES.md).
    """
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")


def need(path: Path, made_by: str) -> Path:
    """Returns a path that an earlier stage made, or says how to make it."""
    if not path.exists():
        raise UserError(f"{path} is missing: make it with: {made_by}")
    return path
