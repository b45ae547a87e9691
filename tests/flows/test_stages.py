"""`dvc repro` of single stages in a real, small project."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flows import stages
from flows.lock import one_writer
from pipelines.shared.errors import UserError
from tests.flows.conftest import set_epochs

HOLD_LOCK = """
import sys
from dvc.repo import Repo
with Repo(".").lock:
    print("held", flush=True)
    sys.stdin.read()
"""


def test_names(project):
    names = stages.names(project)
    assert {"prepare@mine", "train@first", "train@second", "report"} <= set(names)


def test_a_dvc_yaml_that_cannot_be_read(project):
    (project / "dvc.yaml").write_text("stages: {a: {cmd: }}")
    with pytest.raises(UserError, match=r"dvc\.yaml"):
        stages.names(project)


def test_one_stage_and_no_other(project):
    lines = []
    stages.reproduce("prepare@mine", project, lines.append)
    assert stages.reproduce("train@first", project, lines.append) == "ran"
    assert "first was trained for 10 epochs" in lines
    assert not (project / "models" / "second").exists()
    lines.clear()
    assert stages.reproduce("train@first", project, lines.append) == "unchanged"
    assert any("didn't change" in line for line in lines)
    assert stages.reproduce("train@first", project, lines.append, force=True) == "ran"
    assert "first was trained for 10 epochs" in lines
    # As after going back to earlier settings.
    shutil.rmtree(project / "models" / "first")
    (project / "dvc.lock").unlink()
    assert stages.reproduce("train@first", project, lines.append) == "restored"


def test_a_users_mistake_is_final_and_what_was_there_is_put_back(project):
    stages.reproduce("prepare@mine", project, lambda _: None)
    stages.reproduce("train@first", project, lambda _: None)
    before = json.loads((project / "models/first/model.weights.h5").read_text())
    set_epochs(project, "first", 666)
    with pytest.raises(stages.StageError) as failure:
        stages.reproduce("train@first", project, lambda _: None)
    assert str(failure.value) == "train@first: systems.first.fit.epochs: expected fewer"
    assert json.loads((project / "models/first/model.weights.h5").read_text()) == before


def test_a_bug_is_final_and_its_last_line_told(project):
    stages.reproduce("prepare@mine", project, lambda _: None)
    set_epochs(project, "first", 777)
    with pytest.raises(stages.StageError, match=r"exited with 1.*ValueError: a bug"):
        stages.reproduce("train@first", project, lambda _: None)


def test_beside_another_command_of_dvc_a_stage_waits_quietly_and_then_runs(project, monkeypatch):
    monkeypatch.setattr(stages, "SECONDS_BETWEEN_ATTEMPTS", 1.0)
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK],
        cwd=project, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    lines = []

    def log(line):
        lines.append(line)
        if "waiting" in line:
            holder.stdin.close()

    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(stages.StageError, match="--wait") as failure:
            stages.reproduce("prepare@mine", project, lines.append)
        assert lines == []
        assert "another command of DVC holds the lock" in str(failure.value)
        stages.reproduce("prepare@mine", project, log, wait=120.0)
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert lines[0].startswith("waiting for up to 2 minutes: another command of DVC")
    assert not any("lock" in line for line in lines[1:] if "dvc.lock" not in line)
    assert (project / "data" / "mine").is_dir()


BUSY = [
    "ERROR: failed to reproduce 'x': '/a/data' is busy, it is being blocked by:",
    "  (PID {process}): /venv/bin/dvc repro -f train@x",
    "",
    "If there are no processes with such PIDs, you can manually remove '/a/.dvc/tmp/rwlock' and try again.",
]


def test_what_is_waited_for_is_named_and_its_end_is_the_end_of_waiting(tmp_path, monkeypatch):
    other = subprocess.Popen(["sleep", "60"])
    answers = [(1, [line.format(process=other.pid) for line in BUSY]), (0, ["done"])]
    told = []

    def run(_command, _root, log):
        code, lines = answers.pop(0)
        for line in lines:
            log(line)
        return code, lines

    def log(line):
        told.append(line)
        if "waiting" in line:
            other.kill()
            other.wait()

    monkeypatch.setattr(stages.command, "run", run)
    stages.reproduce("x", tmp_path, log, wait=60.0)
    assert [line for line in told if line] == [
        f"waiting for up to 1 minutes: process {other.pid} (dvc repro -f train@x) works in this checkout",
        "done",
    ]


def test_the_wait_has_an_end(tmp_path, monkeypatch):
    lines = [line.format(process=os.getpid()) for line in BUSY]
    monkeypatch.setattr(stages.command, "run", lambda *_: (1, lines))
    told = []
    with pytest.raises(stages.StageError, match=r"works in this checkout after 0\.01 minutes"):
        stages.reproduce("x", tmp_path, told.append, wait=0.6)
    assert len(told) == 1


FAILED = "ERROR: failed to reproduce 'prepare@x': failed to run: python -m y, exited with"


@pytest.mark.parametrize(
    ("lines", "kind", "words"),
    [
        (["error: no such label", f"{FAILED} 1"], stages.StageError, "prepare@x: no such label"),
        (["error: a host timed out", f"{FAILED} 1"], stages.StageError, "a host timed out"),
        (["error: busy just now", f"{FAILED} 75"], stages.PassingError, "busy just now"),
        (["OSError: Connection reset by peer", f"{FAILED} 1"], stages.PassingError, "exited"),
        (["urlopen error: Read timed out."] * 2 + [f"{FAILED} 1"], stages.PassingError, "exited"),
        (
            ["ERROR: failed to reproduce 'x': 'out' is busy, it is being blocked by:"],
            stages.BusyError,
            "another command of DVC",
        ),
        (["ERROR: Unable to acquire lock. Most likely"], stages.BusyError, "another command"),
        (["KeyError: 3", f"{FAILED} 1"], stages.StageError, "KeyError: 3"),
        (["Connection reset, trying again", "KeyError: 3", f"{FAILED} 1"], stages.StageError, ""),
        (["ERROR: Stage 'prepare@x' not found inside 'dvc.yaml' file"], stages.StageError, "found"),
        ([], stages.StageError, "no output"),
    ],
)
def test_what_a_failure_means(lines, kind, words):
    failure = stages.explain("prepare@x", lines)
    assert type(failure) is kind
    assert words in str(failure)
    assert "\n" not in str(failure)


def test_flows_on_the_same_checkout_wait_for_each_other(project):
    code = (
        "import pathlib, sys\nfrom flows.lock import one_writer\n"
        "with one_writer(pathlib.Path.cwd(), lambda line: print(line, flush=True)):\n"
        "    print('mine', flush=True)\n"
    )
    with one_writer(project, pytest.fail):
        other = subprocess.Popen(
            [sys.executable, "-c", code], cwd=project, stdout=subprocess.PIPE, text=True
        )
        assert "waiting: another flow" in other.stdout.readline()
        (project / "written").touch()
    assert other.stdout.readline() == "mine\n"
    assert other.wait(timeout=20) == 0
    other.stdout.close()


def test_the_lock_is_not_left_behind_by_an_error(project):
    with pytest.raises(KeyboardInterrupt), one_writer(project, pytest.fail):
        raise KeyboardInterrupt
    with one_writer(project, pytest.fail):
        pass


def test_a_folder_that_is_no_project(tmp_path):
    with pytest.raises(UserError, match=r"\.dvc"), one_writer(Path(tmp_path), pytest.fail):
        pass
