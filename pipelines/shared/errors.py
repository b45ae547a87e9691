"""How a user's mistake is told: one line on standard error, exit code 1, no traceback."""

import io
import sys
from collections.abc import Callable
from difflib import get_close_matches
from typing import NoReturn

from gm_keras.extras import MissingExtraError


class UserError(Exception):
    """Something that the user can mend: the message says in one line what, and where."""

    def __init__(self, message: str):
        super().__init__(printable(message))


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


def check_number(option: str, value: float, least: float, most: float) -> None:
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


def out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the memory of this machine or its device is too small; backends have types of their own."""
    words = ("resource_exhausted", "resourceexhausted", "out of memory", "oom when allocating")
    text = f"{type(error).__name__} {error}".lower()
    return isinstance(error, MemoryError) or any(each in text for each in words)


def printable(text: str) -> str:
    """A text in one line: line breaks, control characters and bytes that are no text stand as escapes."""
    return "".join(each if each.isprintable() else _escaped(each) for each in text)


def _escaped(character: str) -> str:
    # How Python keeps a byte of a name that is no text.
    if "\udc80" <= character <= "\udcff":
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode()


def fail(message: str) -> NoReturn:
    """Prints `error: message`, in one line, and leaves with exit code 1."""
    print(f"error: {printable(message)}", file=sys.stderr, flush=True)
    raise SystemExit(1)


def main(function: Callable[[], None]) -> None:
    """Runs a command; a `UserError`, or what is not installed, becomes one line and exit code 1."""
    # What a terminal cannot show must not end a command: a name in another encoding, a sign such as ±.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        function()
    except (UserError, MissingExtraError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)
        raise SystemExit(130) from None
