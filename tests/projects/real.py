"""Projects that are the working tree, with a `params.yaml` that trains in seconds.

One of them is trained once for all tests of a `make test`, as the README says it; tests work on copies of it.
"""

import contextlib
import io
import os
import runpy
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
from filelock import FileLock

from tests.projects.parts import commit_all, start_repository

ROOT = Path(__file__).parents[2]

PARAMS = """
backend: jax
seed: 3
tracking: {uri: "sqlite:///mlflow.db", experiment: test}
checkpoint_every: {steps: 7}
data:
  digits: {source: tfds}
systems:
  vae:
    class: vae
    data: digits
    uses: none
    model: {latent_dim: 4, network: dense, units: [32], binarize: true, num_classes: 10}
    optimizers: {main: {class: adam, learning_rate: 0.003, use_ema: true, ema_momentum: 0.9}}
    fit: {epochs: 20, batch_size: 64, grids: 4}
    sample: {}
    evaluate: {samples: 200}
"""


def environment() -> dict[str, str]:
    """The environment of a user who activated the virtual environment."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # MLflow puts the store that this process used last into the environment; conftest.py sets XLA's flags.
    own = ("DVC_ROOT", "MLFLOW_TRACKING_URI", "XLA_FLAGS")
    kept = {key: value for key, value in os.environ.items() if key not in own}
    return {**kept, "PATH": path, "DVC_NO_ANALYTICS": "1", "COLUMNS": "200"}


def run(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess:
    """Runs a command in a project; `python` is the interpreter of the tests."""
    return subprocess.run(
        command,
        cwd=folder,
        env={**environment(), **variables},
        capture_output=True,
        text=True,
    )


def run_here(folder: Path, stage: str, *arguments: str) -> subprocess.CompletedProcess:
    """Runs `python -m pipelines.<stage>` in a project, but in this process: importing Keras takes seconds.

    For what is said of mistakes; the bits that a stage computes are those of a process of its own.
    """
    output, errors = io.StringIO(), io.StringIO()
    before, stop = dict(os.environ), signal.getsignal(signal.SIGTERM)
    try:
        with (
            pytest.MonkeyPatch.context() as patch,
            warnings.catch_warnings(),
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(errors),
        ):
            # The module may have been imported: it runs a second time, under another name.
            warnings.simplefilter("ignore")
            patch.chdir(folder)
            patch.delenv("DVC_ROOT", raising=False)
            patch.delenv("MLFLOW_TRACKING_URI", raising=False)
            patch.setattr(sys, "argv", [f"pipelines.{stage}", *arguments])
            runpy.run_module(f"pipelines.{stage}", run_name="__main__")
        code = 0
    except SystemExit as end:
        code = end.code
    finally:
        os.environ.clear()
        os.environ.update(before)
        signal.signal(signal.SIGTERM, stop)
    return subprocess.CompletedProcess(
        [stage, *arguments], code, output.getvalue(), errors.getvalue()
    )


def make_project(folder: Path, params: str = PARAMS) -> Path:
    """Copies what git tracks or would track, results aside, and commits it as a new repository."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    ).stdout.decode()
    for name in filter(None, listed.split("\0")):
        if name == "dvc.lock" or name.startswith("metrics/"):
            continue  # what this checkout has trained is no part of a new project
        source = ROOT / name
        if source.is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    start_repository(folder)
    commit_all(folder)
    return folder


def trained(place: Path, backend: str = "jax") -> Path:
    """The project of `PARAMS` with all stages run; who needs it first makes it. It is not to be changed.

    Args:
        place: For all processes of one `make test` there is a folder in the environment; else this one is taken.
        backend: Of the stages.
    """
    place = Path(os.environ.get("GM_KERAS_TEST_PROJECTS", place))
    place.mkdir(parents=True, exist_ok=True)
    folder = place / backend
    with FileLock(place / f"{backend}.lock"):
        if not (folder / "seconds").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make_project(folder)
            began = time.monotonic()
            for command in (("python", "-m", "pipelines.check"), ("dvc", "repro")):
                done = run(folder, *command, KERAS_BACKEND=backend)
                assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
            (folder / "seconds").write_text(str(time.monotonic() - began))
    return folder


def copy_of(project: Path, folder: Path) -> Path:
    """A copy of a trained project, for tests that change it; its store names the places of the copy."""
    shutil.copytree(project, folder, symlinks=True, dirs_exist_ok=True)
    with contextlib.closing(sqlite3.connect(folder / "mlflow.db")) as store, store:
        tables = [
            name for (name,) in store.execute("SELECT name FROM sqlite_schema WHERE type='table'")
        ]
        for table in tables:
            for _, column, kind, *_ in store.execute(f'PRAGMA table_info("{table}")').fetchall():
                if kind.startswith(("VARCHAR", "TEXT")):
                    store.execute(
                        f'UPDATE "{table}" SET "{column}" = replace("{column}", ?, ?) '
                        f'WHERE "{column}" LIKE ?',
                        (str(project), str(folder), f"%{project}%"),
                    )
    return folder
