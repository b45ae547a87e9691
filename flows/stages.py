"""One DVC stage at a time: `dvc repro --single-item`, and what its failures mean."""

import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from flows import command
from pipelines.shared.errors import UserError
from pipelines.shared.files import alive

# A network that may be back in a minute.
PASSING = re.compile(
    r"timed? ?out|connection (refused|reset|aborted)|temporary failure in name resolution|"
    r"network is unreachable|too many requests|service unavailable",
    re.IGNORECASE,
)
# What DVC advises after each stage: nothing that happened.
HINTS = re.compile(
    r"To track the changes with git|\s*git add |To enable auto staging|\s*dvc config core\.autostage|"
    r"Use `dvc push`"
)
# Another process of DVC holds what a stage needs.
BUSY = re.compile(r"unable to acquire (the )?lock|is busy, it is being blocked by", re.IGNORECASE)
HOLDER = re.compile(r"\s*\(PID (?P<process>\d+)\): (?P<command>.*)")
# What DVC says of its locks: advice to remove them, and that it removed some of its own.
ABOUT_LOCKS = re.compile(
    rf"ERROR: .*({BUSY.pattern})|{HOLDER.pattern}|If there are no processes with such PIDs|"
    r"Waiting to acquire lock|WARNING: Process .* in RWLock-file",
    re.IGNORECASE,
)
DVC = [sys.executable, "-m", "dvc"]
# Of DVC's lines, those that say that a stage was not run.
UNCHANGED = "Stage '{}' didn't change, skipping"
RESTORED = "Stage '{}' is cached - skipping run, checking out outputs"
SECONDS_BETWEEN_LOOKS = 0.5
# Where it is not known who holds a lock, DVC is asked again so often.
SECONDS_BETWEEN_ATTEMPTS = 10.0

#: How long a stage waits, if nothing else is said, while DVC is at work in the checkout.
WAIT_MINUTES = 60.0

#: What became of a stage: it ran, nothing had changed, or DVC's cache had its outputs.
Outcome = Literal["ran", "unchanged", "restored"]


class StageError(Exception):
    """A stage cannot succeed as things are: the message is for the user, and no retry helps."""


class PassingError(Exception):
    """Something stood in the way that passes by itself, such as of the network."""


class BusyError(Exception):
    """Another process of DVC works in this checkout.

    Attributes:
        processes: Which, as far as DVC says.
    """

    def __init__(self, message: str, processes: tuple[int, ...] = ()):
        super().__init__(message)
        self.processes = processes


def names(root: Path) -> list[str]:
    """Returns the names of all stages of `dvc.yaml`, such as `train@vae`.

    Raises:
        UserError: DVC cannot read the project.
    """
    code, lines = command.run([*DVC, "stage", "list", "--name-only"], root, log=lambda _: None)
    if code:
        raise UserError(f"DVC cannot read dvc.yaml: {_dvc_error(lines)}")
    return lines


def reproduce(
    target: str, root: Path, log: Callable[[str], None], *, force: bool = False, wait: float = 0.0
) -> Outcome:
    """Brings one stage up to date, its dependencies as they are.

    When the stage fails, outputs that DVC had removed before it ran are put back.

    Args:
        target: The stage, such as `train@vae`.
        root: The folder of the project.
        log: Takes the lines of DVC and of the stage, less DVC's advice.
        force: Run it even if nothing changed that DVC knows of.
        wait: For so many seconds at most, while another process of DVC works in the checkout.

    Returns:
        What became of it.

    Raises:
        StageError: The stage failed of itself, or the wait was too short.
        PassingError: A later attempt may succeed.
    """

    def tell(line: str) -> None:
        if not (HINTS.match(line) or ABOUT_LOCKS.match(line)):
            log(line)

    options = ["--force"] if force else []
    end, told = time.monotonic() + wait, False
    while True:
        code, lines = command.run([*DVC, "repro", "--single-item", *options, target], root, tell)
        if code == 0:
            return _outcome(target, lines)
        failure = explain(target, lines)
        if not isinstance(failure, BusyError):
            break
        if time.monotonic() >= end:
            after = f" after {wait / 60:g} minutes" if wait else ""
            raise StageError(f"{target}: {failure}{after}; --wait MINUTES waits longer")
        if not told:
            log(f"waiting for up to {wait / 60:g} minutes: {failure}")
            told = True
        _wait(failure, end)
    if isinstance(failure, StageError):
        # Without --force a checkout only adds what is missing.
        command.run([*DVC, "checkout", target], root, log=lambda _: None)
    raise failure


def _wait(busy: BusyError, end: float) -> None:
    """Returns when those that are waited for are gone, after a while where they are not known, or at the end."""
    soon = time.monotonic() + SECONDS_BETWEEN_ATTEMPTS
    while (now := time.monotonic()) < end:
        if not (any(map(alive, busy.processes)) if busy.processes else now < soon):
            return
        time.sleep(SECONDS_BETWEEN_LOOKS)


def _outcome(target: str, lines: list[str]) -> Outcome:
    if UNCHANGED.format(target) in lines:
        return "unchanged"
    return "restored" if RESTORED.format(target) in lines else "ran"


def explain(target: str, lines: list[str]) -> StageError | PassingError | BusyError:
    """Says what the output of a failed `dvc repro` means.

    A stage tells a user's mistake in a line `error: ...`; that is final. Without one, DVC's own
    error or the stage's last line may speak of something that passes.

    Args:
        target: The stage.
        lines: The last lines of the output.
    """
    dvc_error = _dvc_error(lines)
    told = [line for line in lines if line.startswith("error: ")]
    if f"exited with {command.TRY_AGAIN}" in dvc_error:
        return PassingError(f"{target}: {told[-1] if told else dvc_error}")
    if told:
        return StageError(f"{target}: {told[-1].removeprefix('error: ')}")
    if BUSY.search(dvc_error):
        return _busy(lines)
    spoken = [line for line in lines if not line.startswith("ERROR: ")]
    last = spoken[-1].strip() if spoken else ""
    if PASSING.search(dvc_error) or PASSING.search(last):
        return PassingError(f"{target}: {dvc_error}")
    return StageError(f"{target}: {dvc_error}" + (f" ({last})" if last else ""))


def _busy(lines: list[str]) -> BusyError:
    holders = {
        int(found["process"]): found["command"] for line in lines if (found := HOLDER.match(line))
    }
    if not holders:
        return BusyError("another command of DVC holds the lock of this checkout")
    shown = [f"process {each} ({_command(line)})" for each, line in holders.items()]
    works = "works" if len(shown) == 1 else "work"
    return BusyError(f"{', '.join(shown)} {works} in this checkout", tuple(holders))


def _command(line: str) -> str:
    """A command without the folder of its program."""
    program, _, arguments = line.strip().partition(" ")
    return f"{Path(program).name} {arguments}".strip()


def _dvc_error(lines: list[str]) -> str:
    """Returns the first error of DVC: what follows it are hints."""
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return errors[0] if errors else (lines[-1] if lines else "no output")
