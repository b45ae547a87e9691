"""A small DVC project with the real flows and stages that only pretend to learn."""

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipelines.command import adding
from pipelines.shared import catalog
from tests.projects import parts
from tests.projects.parts import commit_all, start_repository

REPOSITORY = Path(__file__).parents[2]
FAKE = Path(__file__).parent / "fake"
STAGES = ("prepare", "train", "evaluate", "export", "report")
SYSTEMS = ("first", "second")


@pytest.fixture(scope="session", autouse=True)
def _environment():
    """The repository for the imports of the stages, and nothing of the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", f"{REPOSITORY}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
        for name in ("DVC_ROOT", "MLFLOW_TRACKING_URI", "PREFECT_API_URL"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def template(tmp_path_factory):
    """The project as it is first: two systems on a folder of the user's, nothing trained."""
    root = tmp_path_factory.mktemp("template")
    # Of the stages one is a package: the one that only pretends takes its place.
    ignored = shutil.ignore_patterns("__pycache__", "report")
    shutil.copytree(REPOSITORY / "pipelines", root / "pipelines", ignore=ignored)
    shutil.copytree(
        REPOSITORY / "flows", root / "flows", ignore=shutil.ignore_patterns("__pycache__")
    )
    shutil.copy(FAKE / "stages.py", root / "fake_stages.py")
    for stage in STAGES:
        code = f"import sys\n\nimport fake_stages\n\nfake_stages.{stage}(*sys.argv[1:])\n"
        (root / "pipelines" / f"{stage}.py").write_text(code)
    shutil.copy(FAKE / "dvc.yaml", root)
    (root / "source").mkdir()
    (root / "source" / "numbers.json").write_text("[1, 2, 3]")
    params = root / "params.yaml"
    params.write_text("data:\n  mine: { source: folder, path: source }\nsystems:\n")
    # What tells the shape; the fake stage prepares the data.
    parts.write_described(root, "mine", "image", (32, 32, 3))
    for key in SYSTEMS:
        adding.add(params, catalog.names()[0], dataset="mine", key=key)
        set_epochs(root, key, 10)
    shutil.rmtree(root / "data")
    (root / ".gitignore").write_text("__pycache__/\n")
    start_repository(root)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=root, check=True)
    commit_all(root)
    return root


@pytest.fixture
def project(template, tmp_path, monkeypatch):
    """A fresh copy of the project, as the current folder."""
    root = tmp_path / "project"
    shutil.copytree(template, root)
    monkeypatch.chdir(root)
    return root


def set_epochs(root: Path, key: str, epochs: int) -> None:
    """Edits `params.yaml` as a user would: more epochs are a better model here."""
    yaml = YAML()
    path = root / "params.yaml"
    content = yaml.load(path.read_text())
    content["systems"][key]["fit"]["epochs"] = epochs
    with path.open("w") as file:
        yaml.dump(content, file)


def free_port() -> int:
    """A port of the loopback that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
