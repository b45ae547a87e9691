"""What `python -m flows.train` and `python -m flows.retrain` share."""

import argparse
import sys
from pathlib import Path
from typing import Any, NoReturn

from prefect import Flow

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
    return result


def check(systems: list[str]) -> None:
    """Refuses unknown systems at once, before Prefect starts anything.

    Raises:
        UserError: A key is unknown, or `params.yaml` cannot be read.
    """
    settings = load_settings(Path.cwd() / "params.yaml")
    for key in systems:
        settings.system(key)


def run_once(flow: Flow[..., Any], systems: list[str]) -> int:
    """Runs a flow here and now; a failure is one line on standard error.

    Returns:
        The exit code.
    """
    try:
        check(systems)
        state = flow(systems=systems or None, return_state=True)
    except (UserError, RuntimeError) as error:
        # What a flow raises is in its state: a RuntimeError here is Prefect's, of its server.
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        return 130
    if state.is_completed():
        return 0
    print(f"error: {state.message}", file=sys.stderr)
    return 1
