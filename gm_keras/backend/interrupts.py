"""Ctrl-C at a moment that leaves everything whole: between two batches instead of anywhere within a step."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_TOLD = b"\nstopping after this step; Ctrl-C again stops at once\n"
_asked = False


@contextlib.contextmanager
def deferred() -> Iterator[None]:
    """Within this context the first Ctrl-C waits for `raise_deferred` or the end; a second one does not.

    For backends that cannot be interrupted anywhere. It is safe for others: only Python's own handler of Ctrl-C is
    replaced, in the thread in which handlers run, and put back; whoever has one of their own, before or meanwhile,
    keeps it.
    """
    mine = threading.current_thread() is threading.main_thread()
    if not mine or signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    global _asked
    _asked = False
    signal.signal(signal.SIGINT, _ask)
    try:
        yield
        raise_deferred()
    finally:
        if signal.getsignal(signal.SIGINT) is _ask:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        _asked = False


def raise_deferred() -> None:
    """Raises the `KeyboardInterrupt` that is waiting, if there is one."""
    if _asked:
        raise KeyboardInterrupt


def _ask(number: int, frame: FrameType | None) -> None:
    global _asked
    if _asked:
        signal.default_int_handler(number, frame)
    _asked = True
    if os.isatty(2):
        # Not `print`: this may have broken off another one.
        os.write(2, _TOLD)
