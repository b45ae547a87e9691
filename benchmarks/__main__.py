"""`python -m benchmarks [GROUP ...]`: measures, and writes `results/` and `RESULTS.md`."""

import argparse
import importlib
import os
import sys

# Cases are made by the models' constructors: any backend serves, and this one starts quickly.
os.environ.setdefault("KERAS_BACKEND", "jax")

from benchmarks import rows, table
from benchmarks.options import Options
from benchmarks.race import BenchmarkError

GROUPS = ("train", "sampling", "input", "evaluation", "startup", "repro", "memory", "growth")


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
    parser.add_argument("--rounds", type=int, default=7, help="in which contenders take turns")
    parser.add_argument("--seconds", type=float, default=1.5, help="of one contender in one round")
    parser.add_argument("--toy", action="store_true", help="smallest sizes, nothing is written")
    given = parser.parse_args()
    failed = False
    for group in given.groups or GROUPS:
        options = Options(tuple(given.only), given.rounds, given.seconds, given.toy)
        module = importlib.import_module(f"benchmarks.groups.{group}")
        try:
            module.run(options)
        except BenchmarkError as error:
            print(f"error: {group}: {error}", file=sys.stderr)
            failed = True
        if not given.toy and options.told:
            rows.write(group, options.told)
            table.write()
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
