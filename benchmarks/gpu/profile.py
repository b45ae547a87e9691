"""`python -m benchmarks.gpu.profile NAME ...`: which kernels our steps spend the card's time in.

Each line: the share of the time that the card was busy, milliseconds a unit, how often it ran a unit, the kernel, and the
operation of XLA that it belongs to. The rest of the clock's time the card waited.
"""

import argparse
import collections
import importlib
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import jax
from jax.profiler import ProfileData

from benchmarks.gpu import cases


def main() -> int:
    """Profiles the comparisons that are named."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu.profile", description=__doc__)
    parser.add_argument("names", nargs="+", choices=cases.COMPARISONS)
    parser.add_argument("--toy", action="store_true", help="smallest sizes")
    parser.add_argument("--units", type=int, default=8, help="steps, or batches of samples")
    parser.add_argument("--lines", type=int, default=25, help="kernels to print")
    given = parser.parse_args()
    for name in given.names:
        comparison = cases.COMPARISONS[name]
        module, kind = comparison.ours.split(":")
        contender = getattr(importlib.import_module(f"benchmarks.gpu.ours.{module}"), kind)(
            cases.case(comparison, toy=given.toy)
        )
        units = min(given.units, comparison.most)
        contender.run(units)
        started = time.perf_counter()
        contender.run(units)
        clock = time.perf_counter() - started
        print(f"{name}: {1e3 * clock / units:.2f} ms a unit")
        show(kernels(contender, units), units, given.lines)
    return 0


def kernels(contender, units: int) -> dict[tuple[str, str], list[float]]:
    """Milliseconds of each run of each kernel, by its name and XLA's operation without its number."""
    found = collections.defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        with jax.profiler.trace(folder):
            contender.run(units)
        (path,) = Path(folder).rglob("*.xplane.pb")
        for plane in ProfileData.from_file(os.fspath(path)).planes:
            if not plane.name.startswith("/device:GPU"):
                continue
            for line in plane.lines:
                if not line.name.startswith("Stream"):
                    continue
                for event in line.events:
                    operation = str(dict(event.stats).get("hlo_op", ""))
                    key = event.name, re.sub(r"[.\d]+$", "", operation)
                    found[key].append(event.duration_ns / 1e6)
    return found


def show(found: dict[tuple[str, str], list[float]], units: int, lines: int) -> None:
    """Prints the longest ones."""
    total = sum(map(sum, found.values()))
    if not total:
        print("no kernel of a GPU was seen")
        return
    print(f"the card was busy for {total / units:.2f} ms of it")
    for (kernel, operation), times in sorted(found.items(), key=lambda item: -sum(item[1]))[:lines]:
        spent = sum(times)
        print(
            f"{spent / total:6.1%} {spent / units:8.3f} ms {len(times) / units:7.1f} x  {kernel[:70]}  {operation}"
        )


if __name__ == "__main__":
    sys.exit(main())
