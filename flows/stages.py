"""One DVC stage at a time: `dvc repro --single-item`, and what its failures mean."""

import re
import sys
from collections.abc import Callable
from pathlib import Path

from flows import command
from pipelines.shared.errors import UserError

# DVC's locks held by another process, and a network that may be back in a minute.
PASSING = re.compile(
    r"unable to acquire (the )?lock|is busy, it is being blocked by|timed? ?out|"
    r"connection (refused|reset|aborted)|temporary failure in name resolution|"
    r"network is unreachable|too many requests|service unavailable",
    re.IGNORECASE,
)
# What DVC advises after each stage: nothing that happened.
HINTS = re.compile(
    r"To track the changes with git|\s*git add |To enable auto staging|\s*dvc config core\.autostage|"
    r"Use `dvc push`"
)
DVC = [sys.executable, "-m", "dvc"]


class StageError(Exception):
    """A stage cannot succeed as things are: the message is for the user, and no retry helps."""


class PassingError(Exception):
    """Something stood in the way that passes by itself: a lock, the network."""


def names(root: Path) -> list[str]:
    """Returns the names of all stages of `dvc.yaml`, such as `train@vae`.

    Raises:
        UserError: DVC cannot read the project.
    """
    code, lines = command.run([*DVC, "stage", "list", "--name-only"], root, log=lambda _: None)
    if code:
        raise UserError(f"DVC cannot read dvc.yaml: {_dvc_error(lines)}")
    return lines


def reproduce(target: str, root: Path, log: Callable[[str], None], *, force: bool = False) -> None:
    """Brings one stage up to date, its dependencies as they are.

    When the stage fails, outputs that DVC had removed before it ran are put back.

    Args:
        target: The stage, such as `train@vae`.
        root: The folder of the project.
        log: Takes the lines of DVC and of the stage, less DVC's advice.
        force: Run it even if nothing changed that DVC knows of.

    Raises:
        StageError: The stage failed of itself.
        PassingError: A later attempt may succeed.
    """

    def tell(line: str) -> None:
        if not HINTS.match(line):
            log(line)

    options = ["--force"] if force else []
    code, lines = command.run([*DVC, "repro", "--single-item", *options, target], root, tell)
    if code == 0:
        return
    failure = explain(target, lines)
    if isinstance(failure, StageError):
        # Without --force a checkout only adds what is missing.
        command.run([*DVC, "checkout", target], root, log=lambda _: None)
    raise failure


def explain(target: str, lines: list[str]) -> StageError | PassingError:
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
    spoken = [line for line in lines if not line.startswith("ERROR: ")]
    last = spoken[-1].strip() if spoken else ""
    if PASSING.search(dvc_error) or PASSING.search(last):
        return PassingError(f"{target}: {dvc_error}")
    return StageError(f"{target}: {dvc_error}" + (f" ({last})" if last else ""))


def _dvc_error(lines: list[str]) -> str:
    """Returns the first error of DVC: what follows it are hints."""
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    return errors[0] if errors else (lines[-1] if lines else "no output")
