"""Runs a command for a flow: its lines go to a log, and it never outlives the flow."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# A stage leaves with this code (EX_TEMPFAIL) to say: nothing is wrong here, try again later.
TRY_AGAIN = 75
PROGRESS_SECONDS = 10.0
# Seconds that a command has to end in after an interrupt; after a termination signal half of that. With what a flow
# itself has to do then, it ends within ten.
PATIENCE = 4.0
_CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]|\x08")


def run(
    command: list[str], root: Path, log: Callable[[str], None], patience: float = PATIENCE
) -> tuple[int, list[str]]:
    """Runs a command to its end.

    Args:
        command: The program and its arguments.
        root: The folder to run it in.
        log: Takes each line of its standard output and standard error as it comes.
        patience: Seconds between asking the command to stop and insisting, when the flow is
            cancelled while it runs.

    Returns:
        The exit code, and the last 200 lines.
    """
    lines: list[str] = []
    with _heeding_interrupts():
        process = subprocess.Popen(
            command,
            cwd=root,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PATH": _path(), "PYTHONUNBUFFERED": "1"},
            start_new_session=True,  # a process group of its own, to be stopped as one
        )
    try:
        for line in _lines(process):
            log(line)
            lines = [*lines[-199:], line]
        return process.wait(), lines
    finally:
        stop(process, patience)
        process.stdout.close()


def stop(
    process: subprocess.Popen, patience: float = PATIENCE, first: signal.Signals = signal.SIGINT
) -> None:
    """Ends a command and all that it started: politely first, then less so.

    An interrupt comes first because DVC leaves its locks in order on it, and a stage its files.

    Args:
        process: The leader of a process group of its own.
        patience: Seconds between the first signal and a less polite one.
        first: The first signal.
    """
    politely = [signal.SIGINT, signal.SIGTERM, signal.SIGKILL]
    for number in politely[politely.index(first) :]:
        end = time.monotonic() + (patience if number == first else patience / 2)
        try:
            os.killpg(process.pid, number if process.poll() is None else signal.SIGKILL)
            while time.monotonic() < end:
                process.poll()  # reaps it, or its group would seem alive
                os.killpg(process.pid, 0)
                time.sleep(0.05)
        except (ProcessLookupError, PermissionError):
            return  # no one is left in the group


@contextmanager
def _heeding_interrupts() -> Iterator[None]:
    """Has what is started here heed interrupts: a shell has what it starts in the background ignore them."""
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    if not ignored or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


def _path() -> str:
    """The search path with this interpreter's folder first: stages say `python` and mean it.

    A scheduled flow runs by the interpreter's full name, with no environment activated.
    """
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"


def _lines(process: subprocess.Popen) -> Iterator[str]:
    """Yields whole lines; of a progress bar, which rewrites its line, only one now and then."""
    pending = b""
    told = 0.0
    descriptor = process.stdout.fileno()
    while chunk := os.read(descriptor, 65536):
        *parts, pending = re.split(rb"(\r\n|\n|\r)", pending + chunk)
        for text, end in zip(parts[::2], parts[1::2], strict=True):
            if end == b"\r" and time.monotonic() - told < PROGRESS_SECONDS:
                continue
            if line := _clean(text):
                told = time.monotonic() if end == b"\r" else told
                yield line
    if line := _clean(pending):
        yield line


def _clean(text: bytes) -> str:
    return _CONTROL.sub("", text.decode("utf-8", errors="replace")).rstrip()
