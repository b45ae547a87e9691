"""What Keras costs: a training step of ours against the same in JAX without Keras, both in one process."""

import statistics

from benchmarks import cases, rows
from benchmarks.groups.train import PURE_JAX, TOYS
from benchmarks.options import Options
from benchmarks.race import SAME_TRAINING, BenchmarkError, Contender, Result, race

#: Ours may take so much longer than JAX alone where a step takes more than 5 ms.
LIMIT = 1.03
#: Turns before those that count.
WARM = 3


def run(options: Options) -> None:
    """One row for each system that was also written without Keras."""
    systems = TOYS if options.toy else cases.SYSTEMS
    for name in options.chosen(name for name in systems if cases.SYSTEMS[name][0] in PURE_JAX):
        with options.attempt(name):
            options.tell(_row(name, _both(name, options)))


def _both(name: str, options: Options) -> Result:
    case = cases.case(name)
    both = Contender(
        "benchmarks.ours.overhead:Both", {"case": case, "seconds": options.seconds}, "jax"
    )
    # Each round has a turn more than the one that is timed from outside: here all count.
    rounds = (options.rounds + 1) // 2
    return race({"both": both}, rounds=rounds, seconds=0.0, most=1, equal=())["both"]


def _row(name: str, both: Result) -> rows.Row:
    trainings = both.facts["trainings"]
    for fact in SAME_TRAINING:
        if trainings["ours"][fact] != trainings["pure_jax"][fact]:
            raise BenchmarkError(f"{name}: not the same {fact}")
    for who, asked in both.facts["asked"].items():
        if trainings[who]["done"] != asked:
            raise BenchmarkError(
                f"{who} was asked for {asked} steps and did {trainings[who]['done']}"
            )

    def result(who: str) -> Result:
        return Result(
            both.facts["wall"][who][WARM:], both.start, {**trainings[who], "peak_memory": None}
        )

    return rows.compared(
        "overhead",
        name,
        "JAX without Keras",
        result("ours"),
        result("pure_jax"),
        limit=LIMIT,
        processor_ms=[_median_ms(both, who) for who in ("ours", "pure_jax")],
    )


def _median_ms(both: Result, who: str) -> float:
    return 1e3 * statistics.median(both.facts["processor"][who][WARM:])
