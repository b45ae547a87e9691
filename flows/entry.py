"""What `python -m flows.train` and `python -m flows.retrain` share."""

import argparse
import math
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from prefect import Flow

from flows.stages import WAIT_MINUTES
from pipelines.settings import load_settings
from pipelines.shared.errors import UserError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Tells wrong usage in one line."""
        self.exit(2, f"error: {message}; {self.prog} --help\n")


def parser(description: str) -> argparse.ArgumentParser:
    """Returns the parser of a flow's command, which takes keys of systems."""
    result = _Parser(
        prog=f"python -m flows.{Path(sys.argv[0]).stem}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    result.add_argument(
        "systems", nargs="*", metavar="KEY", help="systems of params.yaml; all by default"
    )
    result.add_argument(
        "--wait",
        type=_minutes,
        default=WAIT_MINUTES,
        metavar="MINUTES",
        help="for a dvc repro at work in this checkout, at most so long (default: %(default)g)",
    )
    return result


def _minutes(text: str) -> float:
    try:
        minutes = float(text)
    except ValueError:
        minutes = math.nan
    if not 0.0 <= minutes < math.inf:
        raise argparse.ArgumentTypeError(f"expected a number of minutes from 0 on, not {text}")
    return minutes


def check(systems: list[str]) -> None:
    """Refuses unknown systems at once, before Prefect starts anything.

    Raises:
        UserError: A key is unknown, or `params.yaml` cannot be read.
    """
    settings = load_settings(Path.cwd() / "params.yaml")
    for key in systems:
        settings.system(key)


def run_once(flow: Flow[..., Any], systems: list[str], **options: Any) -> int:
    """Runs a flow here and now; a failure is one line on standard error.

    Args:
        flow: The flow.
        systems: Keys of `params.yaml`; all of them if empty.
        **options: Further parameters of the flow.

    Returns:
        The exit code.
    """
    # Else Prefect would leave its temporary server behind.
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    try:
        check(systems)
        state = flow(systems=systems or None, **options, return_state=True)
    except (UserError, RuntimeError) as error:
        # What a flow raises is in its state: a RuntimeError here is Prefect's, of its server.
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    if state.is_completed():
        return 0
    print(f"error: {state.message}", file=sys.stderr)
    return 1
