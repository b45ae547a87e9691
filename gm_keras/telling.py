"""What goes wrong on the side, in one line each: the work goes on."""

import sys

#: The longest reason that is passed on; some libraries tell stories.
LONGEST = 200


def one_line(error: BaseException) -> str:
    """What an error says, in one line that is not too long; its kind where it says nothing."""
    return " ".join(str(error).split())[:LONGEST] or type(error).__name__


def with_kind(error: BaseException) -> str:
    """As `one_line`, with the error's kind before it: for whoever has to find a mistake in a program."""
    return f"{type(error).__name__}: {one_line(error)}"


def tell(line: str) -> None:
    """Writes a line to standard error."""
    print(line, file=sys.stderr, flush=True)
