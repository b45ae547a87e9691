"""A training step of every system, against hand-written PyTorch and hand-written JAX."""

from pathlib import Path

from benchmarks import cases, rows
from benchmarks.options import Options
from benchmarks.race import Contender, race

#: Systems that were also written in JAX without Keras, as the bound on our overhead.
PURE_JAX = [path.stem for path in (Path(__file__).parent.parent / "pure_jax").glob("*.py")]


def run(options: Options) -> list[rows.Row]:
    """One row for each system and contender."""
    found = []
    for name in options.chosen(cases.SYSTEMS):
        case = cases.case(name)
        contenders = {
            "jax": Contender("benchmarks.ours.training:Training", {"case": case}, "jax"),
            "tensorflow": Contender(
                "benchmarks.ours.training:Training", {"case": case}, "tensorflow"
            ),
            "pytorch": Contender(
                f"benchmarks.peers.{case['system']}:Training", {"case": case}, peers=True
            ),
        }
        if case["system"] in PURE_JAX:
            contenders["pure_jax"] = Contender(
                f"benchmarks.pure_jax.{case['system']}:Training", {"case": case}
            )
        results = race(contenders, rounds=options.rounds, seconds=options.seconds, together=True)
        ours = results.pop("jax")
        new = [
            rows.compared("train", f"{name} jax", peer, ours, result)
            for peer, result in results.items()
            if peer != "tensorflow"
        ]
        new.append(
            rows.compared(
                "train", f"{name} tensorflow", "pytorch", results["tensorflow"], results["pytorch"]
            )
        )
        for row in new:
            options.tell(row)
        found += new
    return found
