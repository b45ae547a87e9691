"""Every command and every line of Python in the README and in docs/, run as it stands there.

What trains for minutes or calls this very suite is only looked up (`make -n`); servers are started, asked and
stopped. A command that is not known here fails: it would be one that nobody tried.
"""

import contextlib
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from tests.flows import test_flows
from tests.pipelines.test_export import SERVE
from tests.projects import copy_of, environment, run, run_here, trained

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

ROOT = Path(__file__).parents[1]
#: The README, and what it leads to.
PAGES = {
    path: path.read_text(encoding="utf-8")
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
}
README = PAGES[ROOT / "README.md"]

CATS = "\n  cats: {source: folder, path: ../cats, image_size: 32}"


def blocks(language: str) -> list[str]:
    text = "\n".join(PAGES.values())
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


# Each once, in the order of the pages.
COMMANDS = list(
    dict.fromkeys(line for block in blocks("sh") for line in block.splitlines() if line.strip())
)


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    from PIL import Image

    base = tmp_path_factory.mktemp("readme")
    (base / "cats").mkdir()
    for index in range(30):
        Image.new("RGB", (40, 40), (8 * index, 90, 200)).save(base / "cats" / f"{index}.png")
    folder = copy_of(trained(base), base / "project")
    text, digits = (folder / "params.yaml").read_text(), "  digits: {source: tfds}"
    assert digits in text
    (folder / "params.yaml").write_text(text.replace(digits, digits + CATS))
    return folder


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def answers(
    folder: Path, command: str, url: str, body: dict | None = None, **variables: str
) -> str:
    """Starts a server, waits until it answers a request, and stops it with all its children."""
    with (folder / "server.log").open("w") as log:
        server = subprocess.Popen(
            ["bash", "-c", command],
            cwd=folder,
            env={**environment(), **variables},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        request = urllib.request.Request(
            url,
            json.dumps(body).encode() if body else None,
            {"Content-Type": "application/json"},
        )
        # On a machine that runs other suites beside it a server needs minutes to start.
        end = time.monotonic() + 600.0
        while time.monotonic() < end:
            try:
                with urllib.request.urlopen(request, timeout=30) as response:
                    return response.read().decode()
            except urllib.error.HTTPError as error:
                raise AssertionError(error.read().decode()[:2000]) from None
            except OSError:
                assert server.poll() is None, (folder / "server.log").read_text()[-3000:]
                time.sleep(0.5)
        raise AssertionError((folder / "server.log").read_text()[-3000:])
    finally:
        # A server that stops its own children needs the time to do so.
        for number, patience in ((signal.SIGTERM, 90), (signal.SIGKILL, 10)):
            with contextlib.suppress(ProcessLookupError, subprocess.TimeoutExpired):
                os.killpg(server.pid, number)
                server.wait(patience)
                break


def only_looked_up(folder: Path, command: str) -> None:
    done = run(folder, "bash", "-c", command.replace("make ", "make -n "))
    assert done.returncode == 0, done.stderr


def as_it_stands(folder: Path, command: str) -> None:
    done = run(folder, "bash", "-c", command, KERAS_BACKEND="jax")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]


def on_one_target(folder: Path, command: str) -> None:
    as_it_stands(folder, f"{command} -S systems.vae.fit.epochs=2 train@vae")


def on_the_vae(folder: Path, command: str) -> None:
    trained_elsewhere = r" (ddpm|dcgan)\b"
    as_it_stands(folder, re.sub(trained_elsewhere, " vae", command))


def on_the_vae_here(folder: Path, command: str) -> None:
    """In this process, as `gm-keras sample` has shown that the command is there."""
    program, *arguments = shlex.split(re.sub(r" (ddpm|dcgan)\b", " vae", command))
    assert program == "gm-keras"
    done = run_here(folder, "command.cli", *arguments)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]


def on_one_system(folder: Path, command: str) -> None:
    as_it_stands(folder, command.replace(" dcgan realnvp ddpm", ""))


def without_the_gans(folder: Path, command: str) -> None:
    """Those are played in tests/games/test_dirac.py."""
    as_it_stands(folder, f"{command} --game xy")


def ui(folder: Path, command: str) -> None:
    assert command == "make ui"
    shown = run(folder, "make", "-n", "ui").stdout
    start = next(line for line in shown.splitlines() if line == "python -m pipelines.tracking.ui")
    port = free_port()
    page = answers(folder, start, f"http://127.0.0.1:{port}/", PORT=str(port))
    assert "MLflow" in page


def served_elsewhere(_: Path, command: str) -> None:
    assert command == SERVE, "tests/pipelines/test_export.py starts it, and asks it for samples"


def flows_elsewhere(_: Path, command: str) -> None:
    assert command in (test_flows.TRAIN, test_flows.SERVE), "tests/flows/test_flows.py runs them"


def planned(folder: Path, command: str) -> None:
    """The project was made by `dvc repro`, under either backend: tests/pipelines/test_pipeline.py."""
    as_it_stands(folder, f"{command} --dry page@vae export@vae")


HOW = {
    "make repro": only_looked_up,
    "make test": only_looked_up,
    "make bench": only_looked_up,
    "make bench GROUP=sampling": only_looked_up,
    "make bench-gpu": only_looked_up,
    "source .venv/bin/activate": lambda folder, command: None,
    "gm-keras list": as_it_stands,
    "gm-keras show": as_it_stands,
    "gm-keras add": as_it_stands,
    "gm-keras sample": on_the_vae,
    "dvc repro": planned,
    "KERAS_BACKEND=tensorflow dvc repro": planned,
    "gm-keras compare": on_one_system,
    "gm-keras interpolate": on_the_vae_here,
    "gm-keras traverse": on_the_vae_here,
    "gm-keras arithmetic": on_the_vae_here,
    "gm-keras neighbours": on_the_vae_here,
    "gm-keras game": without_the_gans,
    "dvc metrics diff": as_it_stands,
    "dvc plots show": as_it_stands,
    "dvc exp run": on_one_target,
    "dvc exp show": as_it_stands,
    "dvc metrics show": as_it_stands,
    "dvc plots diff": as_it_stands,
    "git add": lambda folder, command: None,
    "git commit": lambda folder, command: None,
    "python -m flows.train": flows_elsewhere,
    "python -m flows.retrain --serve": flows_elsewhere,
    "python -m flows.retrain vae": as_it_stands,
    "make ui": ui,
    "MLFLOW_TRACKING_URI=sqlite:///mlflow.db mlflow models serve": served_elsewhere,
}


def test_every_picture_is_there():
    for page, text in PAGES.items():
        for name in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", text):
            assert (page.parent / name).is_file(), f"{name} of {page.name}"


def test_every_link_leads_somewhere():
    for page, text in PAGES.items():
        for link in re.findall(r"(?<!!)\[[^\]]+\]\(([^)]+)\)", text):
            name, _, fragment = link.partition("#")
            if "://" in name:
                continue
            target = (page.parent / name).resolve() if name else page
            assert target.exists(), f"{link} of {page.name}"
            if fragment:
                titles = re.findall(
                    r"^#+ (.+)$", target.read_text(encoding="utf-8"), flags=re.MULTILINE
                )
                anchors = [
                    re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles
                ]
                assert fragment in anchors, f"{link} of {page.name}"


def test_the_readme_is_short():
    assert len(README.splitlines()) <= 150


def test_the_first_commands_are_the_two():
    assert COMMANDS[:2] == ["make repro", "make test"]


# In the pages' order.
@pytest.mark.parametrize("command", COMMANDS)
def test_command(project, command):
    how = next((value for start, value in HOW.items() if command.startswith(start)), None)
    assert how is not None, f"nobody tried: {command}"
    text = (project / "params.yaml").read_text()
    try:
        how(project, command)
    finally:
        if not command.startswith("gm-keras add"):
            (project / "params.yaml").write_text(text)
    assert shlex.split(command)


def test_own_data_as_shown(project):
    assert all(
        "source: folder, path: ../pictures/cats, image_size: 32" in each
        for each in (README, PAGES[ROOT / "docs/data.md"])
    )
    done = run(project, "dvc", "repro", "-f", "prepare@cats")
    assert done.returncode == 0, done.stderr[-2000:]
    info = json.loads((project / "data/cats/dataset.json").read_text())
    assert info["fields"]["image"]["shape"] == [32, 32, 3]


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_the_library_as_shown(tmp_path, backend):
    code = "\n".join(blocks("python"))
    done = run(tmp_path, sys.executable, "-c", code, KERAS_BACKEND=backend)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (tmp_path / "vae.keras").is_file()
