"""A training that is killed goes on from its last checkpoint and ends as if nothing had been."""

import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.projects import PARAMS, copy_of, environment, make_project, run, trained

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

# A date, and the run's number, are those of the one training.
OWN = ("run.json", "timing.json")


def digest(project: Path, *folders: str) -> dict[str, str]:
    return {
        str(path.relative_to(project)): hashlib.sha256(path.read_bytes()).hexdigest()
        for folder in folders
        for path in sorted((project / folder).rglob("*"))
        if path.is_file() and path.name not in OWN
    }


def start(project: Path, *command: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def kill_after(process: subprocess.Popen, condition) -> str:
    """Kills a process as soon as a condition holds; returns what it printed."""
    end = time.monotonic() + 300.0
    while not condition() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    return process.communicate()[0]


def points(project: Path) -> dict[str, list[int]]:
    """The steps of every curve of the one run that there is."""
    import mlflow

    client = mlflow.MlflowClient(f"sqlite:///{project}/mlflow.db")
    experiment = client.get_experiment_by_name("test").experiment_id
    (found,) = client.search_runs([experiment])
    assert found.info.status == "FINISHED"
    return {
        name: [each.step for each in client.get_metric_history(found.info.run_id, name)]
        for name in found.data.metrics
    }


@pytest.mark.backend
def test_killed_while_it_trains(tmp_path):
    backend = os.environ["KERAS_BACKEND"]
    whole = trained(tmp_path, backend)
    project = copy_of(whole, tmp_path / "project")
    shutil.rmtree(project / "models/vae")
    shutil.rmtree(project / "reports/vae")
    for name in project.glob("mlflow.db*"):
        name.unlink()

    def seen() -> set[str]:
        # Not `rglob`: it looks at each file, and some are gone the moment after.
        return {path.name for path in (project / "checkpoints/vae").glob("*/checkpoint_*.npz")}

    for _ in range(2):
        before = seen()
        printed = kill_after(
            start(project, "pipelines.train", "vae"), lambda before=before: len(seen() - before) > 1
        )
        assert "goes on after" in printed or not before
    newest = max(project.glob("checkpoints/vae/*/checkpoint_*.npz"))
    newest.write_bytes(newest.read_bytes()[:1000])
    # Moved to another folder it goes on as well.
    moved = tmp_path / "moved"
    project.rename(moved)
    done = run(moved, "python", "-m", "pipelines.train", "vae")
    assert done.returncode == 0, done.stderr[-3000:]
    assert "goes on after" in done.stdout
    assert "damaged" in done.stdout
    expected, actual = (digest(each, "models/vae", "reports/vae") for each in (whole, moved))
    # The whole project was evaluated, too.
    assert actual == {name: expected[name] for name in actual}
    assert len(actual) == 15
    assert not (moved / "checkpoints/vae").exists()
    steps = points(moved)
    assert steps["elbo_loss"] == list(range(1, 21))
    assert all(each == sorted(set(each)) for each in steps.values())


def test_asked_to_stop_it_goes_on_later(tmp_path):
    project = copy_of(trained(tmp_path), tmp_path / "project")
    text = (project / "params.yaml").read_text()
    changed = text.replace("steps: 7", "minutes: 60.0").replace("epochs: 20", "epochs: 400")
    (project / "params.yaml").write_text(changed)
    process = start(project, "pipelines.train", "vae")
    # The first picture: the training is under way.
    while not list(project.glob("checkpoints/vae/*/epochs/*.png")) and process.poll() is None:
        time.sleep(0.01)
    process.terminate()
    printed = process.communicate(timeout=120)[0]
    assert process.returncode == 130, printed
    assert "goes on from there" in printed
    assert "Traceback" not in printed
    assert len(list(project.glob("checkpoints/vae/*/checkpoint_*.npz"))) == 1


def test_dvc_killed_at_random_moments(tmp_path):
    stages = ("models/vae", "reports/vae", "data", "extractors")
    whole = trained(tmp_path)
    seconds = float((whole / "seconds").read_text())
    (tmp_path / "killed").mkdir()
    killed = make_project(tmp_path / "killed")
    moments = random.Random(0)
    for _ in range(3):
        end = time.monotonic() + moments.uniform(0.1, 0.5) * seconds
        # Killed alone: its stages must not go on without it.
        kill_after(
            start(killed, "dvc", "repro", "evaluate@vae"), lambda end=end: time.monotonic() > end
        )
    done = run(killed, "dvc", "repro", "evaluate@vae")
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert digest(killed, *stages) == digest(whole, *stages)
    steps = points(killed)
    assert all(each == sorted(set(each)) for each in steps.values())
    left = [path.name for folder in (*stages, "models") for path in (killed / folder).glob(".*.*")]
    assert not [name for name in left if name != ".gitignore"]
    assert (
        run(killed, "dvc", "status", "evaluate@vae").stdout.strip()
        == "Data and pipelines are up to date."
    )


@pytest.mark.backend
@pytest.mark.once("tensorflow")
def test_a_checkpoint_is_of_one_training_only(tmp_path):
    from pipelines.running import resume
    from pipelines.settings import load_settings

    (tmp_path / "data" / "digits").mkdir(parents=True)
    description = tmp_path / "data" / "digits" / "dataset.json"
    description.write_text("{}")

    def fingerprint(old: str = "", new: str = "") -> str:
        assert old in PARAMS
        (tmp_path / "params.yaml").write_text(PARAMS.replace(old, new, 1) if old else PARAMS)
        return resume.fingerprint("vae", load_settings(tmp_path / "params.yaml"), tmp_path)

    first = fingerprint()
    assert fingerprint("steps: 7", "minutes: 1.0") == first
    assert fingerprint("samples: 200", "samples: 300") == first
    for change in (
        ("seed: 3", "seed: 4"),
        ("units: [32]", "units: [33]"),
        ("epochs: 20", "epochs: 21"),
        ("epochs: 20", "epochs: 20, seed: 4"),
        ("epochs: 20", "epochs: 20, labels: 50"),
        ("0.003", "0.004"),
    ):
        assert fingerprint(*change) != first
    description.write_text('{"name": "digits"}')
    assert fingerprint() != first
