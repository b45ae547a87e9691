"""`python -m benchmarks [GROUP ...]`: measures, and writes `results/` and `RESULTS.md`."""

import argparse
import importlib
import os
import sys

# Cases are made by the models' constructors: any backend serves, and this one starts quickly.
os.environ.setdefault("KERAS_BACKEND", "jax")

from benchmarks import rows, table
from benchmarks.options import Options

GROUPS = (
    "train",
    "overhead",
    "sampling",
    "input",
    "evaluation",
    "startup",
    "repro",
    "memory",
    "growth",
)


def main() -> int:
    """Runs the groups that were named, or all."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "groups",
        nargs="*",
        choices=[*GROUPS, []],
        default=[],
        metavar="GROUP",
        help=", ".join(GROUPS),
    )
    parser.add_argument("--only", nargs="*", default=[], help="names within the groups")
    parser.add_argument("--rounds", type=int, help="in which contenders take turns (default: 7)")
    parser.add_argument(
        "--seconds", type=float, help="of one contender in one round (default: 1.5)"
    )
    parser.add_argument("--toy", action="store_true", help="smallest sizes, nothing is written")
    given = parser.parse_args()
    measured, failed = 0, 0
    for group in given.groups or GROUPS:
        keep = None if given.toy else _written
        rounds, seconds = (2, 0.05) if given.toy else (7, 1.5)
        options = Options(
            tuple(given.only),
            given.rounds or rounds,
            given.seconds or seconds,
            given.toy,
            keep,
        )
        module = importlib.import_module(f"benchmarks.groups.{group}")
        try:
            module.run(options)
        except KeyboardInterrupt:
            print("\nstopped; what was measured before is written", file=sys.stderr)
            return 130
        measured, failed = measured + len(options.told), failed + len(options.failed)
    if not measured and not failed:
        print(f"error: nothing is called {' or '.join(given.only)}", file=sys.stderr)
    return int(failed or not measured)


def _written(row: rows.Row) -> None:
    rows.write(row.group, [row])
    table.write()


if __name__ == "__main__":
    sys.exit(main())
