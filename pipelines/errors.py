"""How a user's mistake is told: one line on standard error, exit code 1, no traceback."""

import re
import sys
from collections.abc import Callable
from difflib import get_close_matches
from typing import NoReturn

#: Names of files and keys may hold what would break a line in two, or move the cursor.
BREAKS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


class UserError(Exception):
    """Something that the user can mend: the message says in one line what, and where."""

    def __init__(self, message: str):
        super().__init__(BREAKS.sub(" ", message))


def nearest(word: str, known: list[str]) -> str:
    """Returns the end of an error line: the nearest known word, and all of them.

    Args:
        word: What came.
        known: What would have been right.

    Returns:
        For example `did you mean "vae"? Known: dcgan, vae`.
    """
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    suggestion = f'did you mean "{close[0]}"? ' if close else ""
    return f"{suggestion}Known: {', '.join(sorted(known))}"


def check_number(option: str, value: int, least: int, most: int) -> None:
    """Raises a `UserError` for a number on the command line that is out of range.

    Args:
        option: Its name, such as "--seed".
        value: What came.
        least: The smallest that is allowed.
        most: The largest.
    """
    if not least <= value <= most:
        came = f"{value}"[:40]
        raise UserError(f"{option} must be at least {least} and at most {most:,}, not {came}")


def fail(message: str) -> NoReturn:
    """Prints `error: message` and leaves with exit code 1."""
    print(f"error: {message}", file=sys.stderr, flush=True)
    raise SystemExit(1)


def main(function: Callable[[], None]) -> None:
    """Runs a command; a `UserError` becomes one line and exit code 1."""
    try:
        function()
    except UserError as error:
        fail(str(error))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None
