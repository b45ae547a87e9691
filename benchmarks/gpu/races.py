"""Who races on a GPU, and the rows that come of it."""

import inspect
import statistics
import sys
from collections.abc import Iterable
from typing import Any

from benchmarks import race as racing
from benchmarks import rows
from benchmarks.gpu import cases
from benchmarks.options import Options
from benchmarks.race import BenchmarkError, Contender, Result

GROUP = "gpu"
#: Two frameworks share the card: neither may take it all at the start.
SHARING = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
#: All contenders of a race may compile at the same time, where the race knows how.
TOGETHER = {"together": True} if "together" in inspect.signature(racing.race).parameters else {}


def contenders(
    comparison: cases.Comparison, case: dict[str, Any], device: str, kinds: tuple[str, ...]
) -> dict[str, Contender]:
    """Ours and PyTorch of the given kinds, on one device."""
    platform = {"JAX_PLATFORMS": device}
    found = {
        "jax": Contender(
            f"benchmarks.gpu.ours.{comparison.ours}",
            {"case": case},
            "jax",
            environment=SHARING | platform,
        )
    }
    for kind in kinds:
        arguments = {"case": case, "device": device, "compiled": kind == "compiled"}
        target = f"benchmarks.gpu.pytorch.{comparison.theirs}"
        found[f"pytorch {kind}"] = Contender(target, arguments, peers=True)
    return found


def race(
    comparison: cases.Comparison, case: dict[str, Any], device: str, options: Options
) -> dict[str, Result]:
    """Races all, or, where that fails, all but the compiled one."""
    limits = {"rounds": options.rounds, "seconds": options.seconds, "most": comparison.most}
    try:
        both = contenders(comparison, case, device, ("eager", "compiled"))
        return racing.race(both, **limits, **TOGETHER)
    except BenchmarkError as error:
        print(f"error: {error}; once more without the compiled one", file=sys.stderr)
        eager = contenders(comparison, case, device, ("eager",))
        return racing.race(eager, **limits, **TOGETHER)


def rounded(values: Iterable[float]) -> list[float]:
    """To the five digits of the other figures."""
    return [float(f"{value:.5g}") for value in values]


def described(
    name: str, results: dict[str, Result], case: dict[str, Any], rate: float | None
) -> list[rows.Row]:
    """A row for each kind of PyTorch."""
    ours, eager = results["jax"], results["pytorch eager"]
    flops = eager.facts["flops"]
    found = []
    for peer, theirs in results.items():
        if peer == "jax":
            continue
        pair = (ours, theirs)
        rates = [flops / statistics.median(each.seconds) for each in pair]
        more = {
            "card": ours.facts["card"],
            "batch_size": case.get("batch_size"),
            "per_second": rounded(1.0 / statistics.median(each.seconds) for each in pair),
            "device_memory": [each.facts["device_memory"] for each in pair],
            "tflop": flops / 1e12,
            "tflop_per_second": rounded(each / 1e12 for each in rates),
            "share_of_rate": rounded(each / rate for each in rates) if rate else None,
            "chosen": {key: theirs.facts[key] for key in ("format", "mode") if key in theirs.facts},
            "versions": ours.facts["versions"] | theirs.facts["versions"],
        }
        found.append(rows.compared(GROUP, f"{name} jax", peer, ours, theirs, **more))
    return found


def measure_rate(device: str, options: Options) -> tuple[float, list[rows.Row]]:
    """Operations a second of the larger of two products of matrices, and the row of both."""
    case = cases.case(cases.MATRIX, toy=options.toy)
    results = racing.race(
        contenders(cases.MATRIX, case, device, ("eager",)),
        rounds=3,
        seconds=min(0.5, options.seconds),
        most=cases.MATRIX.most,
        **TOGETHER,
    )
    rate = max(each.facts["flops"] / statistics.median(each.seconds) for each in results.values())
    return rate, described(f"matmul_{case['side']}", results, case, rate)
