"""The most memory that training a system takes, in a fresh process: what is imported, the model, and some steps."""

from typing import Any

from benchmarks import cases, rows
from benchmarks.groups.train import TOYS
from benchmarks.options import Options
from benchmarks.race import SAME_TRAINING, BenchmarkError, Contender, Result, race

#: Steps in one turn; with what comes before 16 are made.
STEPS = 4
#: Seconds that no turn of so few steps takes.
ENDLESS = 1e6
WATCHED = "benchmarks.watched:Watched"
MEGA = 1e6


def run(options: Options) -> None:
    """Rows for each system and each of our backends against PyTorch."""
    systems = TOYS if options.toy else cases.SYSTEMS
    for name in options.chosen(systems):
        with options.attempt(name):
            results = _peaks(name)
            theirs = results.pop("pytorch")
            for backend, result in results.items():
                options.tell(_compared(f"{name} {backend}", result, theirs))


def _peaks(name: str) -> dict[str, Result]:
    # One process at a time: what another holds must not press on this one.
    results = {
        who: race({who: contender}, rounds=1, seconds=ENDLESS, most=STEPS, equal=())[who]
        for who, contender in trainings(cases.case(name)).items()
    }
    for fact in ("done", *SAME_TRAINING):
        if len({result.facts[fact] for result in results.values()}) > 1:
            raise BenchmarkError(f"{name}: not the same {fact}")
    return results


def trainings(case: dict[str, Any]) -> dict[str, Contender]:
    """Trainings of a case, with their memory watched."""
    ours = {"target": "benchmarks.ours.training:Training", "arguments": {"case": case}}
    theirs = {"target": f"benchmarks.peers.{case['system']}:Training", "arguments": {"case": case}}
    return {
        "jax": Contender(WATCHED, ours, "jax"),
        "tensorflow": Contender(WATCHED, ours, "tensorflow"),
        "pytorch": Contender(WATCHED, theirs, peers=True),
    }


def memory(*results: Result) -> dict[str, list[float]]:
    """Megabytes of each: at the peak, outside of files, and at the peak of the imports."""
    return {
        f"{key}_mb": [result.facts[key] / MEGA for result in results]
        for key in ("peak", "anonymous", "imported")
    }


def _compared(name: str, ours: Result, theirs: Result) -> rows.Row:
    peaks = [result.facts["peak"] / MEGA for result in (ours, theirs)]
    ratio = peaks[1] / peaks[0]
    return rows.Row(
        "memory",
        name,
        "pytorch",
        *peaks,
        *[ratio] * 3,
        unit="MB",
        more={
            "parameters": ours.facts["parameters"],
            "steps": ours.facts["done"],
            **memory(ours, theirs),
        },
    )
