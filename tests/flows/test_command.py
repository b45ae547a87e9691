"""The subprocess under a flow: its lines, its exit code, its end."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from flows import command


def python(code):
    return [sys.executable, "-c", code]


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(path, seconds=20.0):
    end = time.monotonic() + seconds
    while not (path.is_file() and path.read_text()):
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.05)
    return path.read_text()


def test_lines_come_as_they_are_printed(tmp_path):
    code = "import sys, time\nprint('a\\n\\nb')\nprint('c', file=sys.stderr)\nsys.exit(3)"
    told = []
    assert command.run(python(code), tmp_path, told.append) == (3, ["a", "b", "c"])
    assert told == ["a", "b", "c"]


def test_python_means_this_interpreter(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    _, lines = command.run(["sh", "-c", "command -v python"], tmp_path, lambda _: None)
    assert lines == [str(Path(sys.executable).parent / "python")]


def test_of_a_progress_bar_not_every_state_is_told(tmp_path):
    code = "for i in range(50): print(f'\\r\\x1b[32m{i}\\x1b[0m%', end='')\nprint('\\rdone')\nprint('é')"
    told = []
    command.run(python(code), tmp_path, told.append)
    assert told[-2:] == ["done", "é"]
    assert len(told) < 6


def test_an_interrupted_flow_leaves_no_process(tmp_path):
    """The stage's own children go too, also those that ignore the polite signals."""
    child = (
        "import os, pathlib, signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "pathlib.Path('child').write_text(str(os.getpid()))\ntime.sleep(60)"
    )
    parent = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {child!r}])"

    def interrupt(_):
        raise KeyboardInterrupt

    code = (
        f"import subprocess, sys\nsubprocess.Popen([sys.executable, '-c', {parent!r}])\n"
        "import pathlib, time\nwhile not pathlib.Path('child').is_file(): time.sleep(0.05)\n"
        "print('ready')\ntime.sleep(60)"
    )
    with pytest.raises(KeyboardInterrupt):
        command.run(python(code), tmp_path, interrupt, patience=0.5)
    assert not alive(int(wait_for(tmp_path / "child")))


def test_a_command_heeds_interrupts_where_the_flow_was_started_in_the_background(tmp_path):
    """A shell has what it starts with `&` ignore them."""
    code = "import signal\nprint(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)"
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert command.run(python(code), tmp_path, lambda _: None) == (0, ["False"])
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_sigterm_of_the_flow_stops_the_command(tmp_path):
    """As Prefect cancels: a signal to the process of the flow."""
    child = (
        "import os, pathlib, time; pathlib.Path('child').write_text(str(os.getpid())); "
        "time.sleep(60)"
    )
    code = f"""
import pathlib, signal, sys
from flows import command
def stop(*_):
    raise SystemExit(9)
signal.signal(signal.SIGTERM, stop)
command.run([sys.executable, "-c", {child!r}], pathlib.Path.cwd(), print)
"""
    flow = subprocess.Popen(python(code), cwd=tmp_path, env={**os.environ})
    child_pid = int(wait_for(tmp_path / "child"))
    flow.send_signal(signal.SIGTERM)
    assert flow.wait(timeout=20) == 9
    assert not alive(child_pid)
