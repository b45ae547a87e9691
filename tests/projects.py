"""Small projects in temporary folders: the working tree, with a `params.yaml` that trains in seconds."""

import contextlib
import io
import os
import runpy
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

PARAMS = """
backend: jax
seed: 0
tracking: {uri: "sqlite:///mlflow.db", experiment: test}
data:
  digits: {source: tfds}
systems:
  vae:
    class: vae
    data: digits
    uses: none
    model: {latent_dim: 4, network: dense, units: [32], binarize: true, num_classes: 10}
    optimizers: {main: {class: adam, learning_rate: 0.003}}
    fit: {epochs: 4, batch_size: 64, grids: 2}
    sample: {}
    evaluate: {samples: 200}
  flow:
    class: realnvp
    data: digits
    uses: none
    model: {}
    optimizers: {main: {class: adam}}
    fit: {epochs: 1, batch_size: 64}
    sample: {}
    evaluate: {samples: 100}
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
        if name == "dvc.lock" or name.startswith("reports/"):
            continue  # what this checkout has trained is no part of a new project
        source = ROOT / name
        if source.is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, folder / name)
    (folder / "params.yaml").write_text(params, encoding="utf-8")
    for command in (
        ["git", "init", "-q"],
        ["git", "config", "user.email", "test@example.com"],
        ["git", "config", "user.name", "Test"],
        ["git", "add", "-A"],
        ["git", "commit", "-qm", "start"],
    ):
        done = run(folder, *command)
        assert done.returncode == 0, done.stderr
    return folder
