"""Batches from disk, against what training eats and against PyTorch's DataLoader on the same files.

The files lie in the system's page cache: what is measured is the work on them, not the disk.
"""

import math
from typing import Any

from benchmarks import cases, rows
from benchmarks.options import Options
from benchmarks.race import Contender, race

SYSTEMS = ("vae_28", "ddpm_28", "gpt2", "rbm", "helmholtz_machine")
#: Bytes of the arrays of the large data set.
LARGE = 320 * 2**20
#: Reading must be so many times faster than the bare step.
LIMIT = 5.0


def run(options: Options) -> None:
    """For each system, a small and a large data set: rows against the bare steps and against DataLoader."""
    for name in options.chosen(("helmholtz_machine",) if options.toy else SYSTEMS):
        sizes = {"small": cases.EXAMPLES, "large": 20_000 if options.toy else large(name)}
        for size, examples in sizes.items():
            with options.attempt(f"{name} {size}"):
                _contest(options, name, size, cases.case(name, examples))


def large(name: str) -> int:
    """The examples of the large data set of a system."""
    fields = cases.SYSTEMS[name][2]
    # A row of `cases.write_data` is 64 tokens; a label takes four bytes.
    row = 64 if "tokens" in fields else sum(math.prod(shape) for shape in fields.values()) + 4
    return LARGE // row


def _contest(options: Options, name: str, size: str, case: dict[str, Any]) -> None:
    given = {"case": case}
    step = "benchmarks.ours.bare_step:BareStep"
    loading = "benchmarks.libraries.loader:Loading"
    results = race(
        {
            "ours": Contender("benchmarks.ours.reading:Reading", given, "jax"),
            "jax": Contender(step, given, "jax"),
            "tensorflow": Contender(step, given, "tensorflow"),
            "DataLoader": Contender(loading, {**given, "workers": 0}, peers=True),
            "DataLoader, 2 workers": Contender(loading, {**given, "workers": 2}, peers=True),
        },
        rounds=options.rounds,
        seconds=options.seconds,
        equal=("examples", "bytes"),
    )
    ours = results.pop("ours")
    for peer, result in results.items():
        steps = peer in ("jax", "tensorflow")
        row = rows.compared(
            "input",
            f"{name} {size} {peer}" if steps else f"{name} {size}",
            "bare step" if steps else peer,
            ours,
            result,
            **{"limit": LIMIT} if steps else {},
        )
        each = ours.facts["examples"]
        row.more["examples_per_second"] = [1e3 * each / row.ours, 1e3 * each / row.theirs]
        options.tell(row)
