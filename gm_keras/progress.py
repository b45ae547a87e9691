"""How far what takes long has got, on standard error: a bar, or where there is no terminal a line a minute."""

import sys
import time
from types import TracebackType
from typing import Protocol, Self

from tqdm import tqdm

from gm_keras.telling import tell

# Seconds before anything is shown: what is done sooner needs none.
DELAY = 5.0
# Seconds between two lines.
EVERY = 60.0


class Progress(Protocol):
    """What is told how far the work has got; used as a context."""

    def update(self, n: int = 1) -> object:
        """Says that so much more is done."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None: ...


def progress(total: int, what: str) -> Progress:
    """Shows how far something has got, and how long it still takes, once it has taken five seconds.

    Args:
        total: How much there is to do.
        what: For example "features of test examples".

    Returns:
        A context with a method `update(n)`.
    """
    if sys.stderr.isatty():
        return tqdm(total=total, desc=what, delay=DELAY, leave=False)
    return _Lines(total, what)


class _Lines:
    """Writes a line after five seconds, and then one a minute."""

    def __init__(self, total: int, what: str):
        self.total, self.what, self.done = total, what, 0
        self.due = time.monotonic() + DELAY
        # When the first part was done, and how much it was: what is compiled with it takes no time again.
        self.first: tuple[float, int] | None = None

    def update(self, n: int = 1) -> None:
        self.done += n
        now = time.monotonic()
        if self.first is None:
            self.first = now, self.done
            return
        if now < self.due or self.done >= self.total:
            return
        self.due = now + EVERY
        since, before = self.first
        left = (now - since) * (self.total - self.done) / (self.done - before)
        share = 100 * self.done // self.total
        tell(f"{self.what}: {share} %, {tqdm.format_interval(left)} left")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        return None
