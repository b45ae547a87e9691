"""What a run of the benchmarks was asked for."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from benchmarks.race import BenchmarkError
from benchmarks.rows import Row


@dataclass(frozen=True)
class Options:
    """How much is measured.

    Attributes:
        only: Names to measure; all where there are none.
        rounds: In which the contenders take turns.
        seconds: Of one contender in one round.
        toy: Smallest sizes: shows that a benchmark runs, and measures nothing.
        keep: What is done with a row as soon as it is known, so that a later failure does not lose it.
        told: The rows so far.
        failed: Comparisons that could not be made.
    """

    only: tuple[str, ...]
    rounds: int
    seconds: float
    toy: bool
    keep: Callable[[Row], None] | None = None
    told: list[Row] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def chosen(self, names: Iterable[str]) -> list[str]:
        """Those of the names that were asked for."""
        return [name for name in names if not self.only or name in self.only]

    @contextmanager
    def attempt(self, name: str) -> Iterator[None]:
        """Says why a comparison could not be made, and lets the next ones go on."""
        try:
            yield
        except BenchmarkError as error:
            print(f"error: {name}: {error}", file=sys.stderr, flush=True)
            self.failed.append(name)

    def tell(self, row: Row) -> None:
        """Keeps and prints a row as soon as it is known."""
        self.told.append(row)
        if self.keep is not None:
            self.keep(row)
        theirs = "" if row.theirs is None else f" {row.peer} {row.theirs:.4g} {row.unit}"
        ratio = "" if row.ratio is None else f" ratio {row.ratio:.2f}"
        if row.low is not None:
            ratio += f" ({row.low:.2f} to {row.high:.2f})"
        print(
            f"{row.group:10} {row.name:28} ours {row.ours:.4g} {row.unit}{theirs}{ratio}",
            flush=True,
        )
