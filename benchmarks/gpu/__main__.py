"""`python -m benchmarks.gpu`: races on a GPU, and writes `results/gpu.json`; see README.md."""

import argparse
import os
import sys
import time
from pathlib import Path

from benchmarks import race as racing
from benchmarks import rows
from benchmarks.gpu import cases, races
from benchmarks.options import Options


def main() -> int:
    """Measures what was asked for, and writes after each comparison."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--only", nargs="*", default=[], help=", ".join(cases.COMPARISONS))
    parser.add_argument("--rounds", type=int, help="in which contenders take turns (default: 5)")
    parser.add_argument("--seconds", type=float, help="of one contender in a round (default: 2)")
    parser.add_argument(
        "--toy", action="store_true", help="smallest sizes; writes only with --results"
    )
    parser.add_argument(
        "--cpu", action="store_true", help="on the CPU, to show that all of it runs"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the batch sizes")
    parser.add_argument("--budget", type=float, help="starts nothing after so many seconds")
    parser.add_argument("--results", type=Path, help="folder for gpu.json instead of results/")
    given = parser.parse_args()
    unknown = set(given.only) - set(cases.COMPARISONS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    rounds, seconds = (2, 0.05) if given.toy else (5, 2.0)
    keep = _written if given.results or not given.toy else None
    options = Options(
        tuple(given.only), given.rounds or rounds, given.seconds or seconds, given.toy, keep
    )
    # One environment has everything, unless the user names another one for PyTorch.
    racing.OURS = Path(sys.executable)
    if "BENCHMARK_PEERS" not in os.environ:
        racing.PEERS = Path(sys.executable)
    if given.results:
        rows.FOLDER = given.results
    return run(options, given)


def run(options: Options, given: argparse.Namespace) -> int:
    """Returns how many comparisons failed or were left out."""
    device = "cpu" if given.cpu else "cuda"
    started, left_out = time.monotonic(), 0
    rate, found = None, []
    with options.attempt("the rate of the card"):
        rate, found = races.measure_rate(device, options)
    report(found, options)
    for name in options.chosen(cases.COMPARISONS):
        elapsed = time.monotonic() - started
        if given.budget and elapsed > given.budget:
            print(f"left out after {elapsed:.0f} s: {name}", file=sys.stderr)
            left_out += 1
            continue
        comparison = cases.COMPARISONS[name]
        case = cases.case(comparison, toy=options.toy, scale=given.scale)
        with options.attempt(name):
            results = races.race(comparison, case, device, options)
            report(races.described(name, results, case, rate), options)
        print(f"{name} took {time.monotonic() - started - elapsed:.0f} s", flush=True)
    return len(options.failed) + left_out


def report(found: list[rows.Row], options: Options) -> None:
    """Tells rows, with their share of the card's rate and its memory."""
    for row in found:
        options.tell(row)
        shares, memory = row.more["share_of_rate"], row.more["device_memory"]
        if shares:
            print(f"{'':10} share of the rate: {', '.join(f'{each:.0%}' for each in shares)}")
        if None not in memory:
            print(f"{'':10} GiB on the card: {', '.join(f'{each / 2**30:.1f}' for each in memory)}")


def _written(row: rows.Row) -> None:
    rows.write(row.group, [row])


if __name__ == "__main__":
    sys.exit(main())
