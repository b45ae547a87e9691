"""A training step of every system, against hand-written PyTorch, hand-written JAX, and other libraries."""

import statistics
from pathlib import Path
from typing import Any

from benchmarks import cases, rows
from benchmarks.options import Options
from benchmarks.race import SAME_TRAINING, Contender, Result, race

#: Systems that were also written in JAX without Keras, as the bound on our overhead.
PURE_JAX = [path.stem for path in (Path(__file__).parent.parent / "pure_jax").glob("*.py")]
#: Libraries that train the same system, with the hand-written networks.
LIBRARIES = {
    "vae": {"pythae": "benchmarks.libraries.vae:Training"},
    "realnvp": {"normflows": "benchmarks.libraries.flow:Training"},
    "ddpm": {"denoising_diffusion_pytorch": "benchmarks.libraries.diffusion:Training"},
}
#: What trains in seconds.
TOYS = ("vae", "helmholtz_machine")
PRODUCTS = Contender("benchmarks.peers.products:Products", {}, peers=True, yardstick=True)


def run(options: Options) -> None:
    """One row for each system and contender."""
    for name in options.chosen(TOYS if options.toy else cases.SYSTEMS):
        limits = {
            "rounds": options.rounds,
            "seconds": options.seconds,
            "together": True,
            "equal": SAME_TRAINING,
        }
        with options.attempt(name):
            for row in _rows(name, race(_contenders(cases.case(name)), **limits)):
                options.tell(row)


def _contenders(case: dict[str, Any]) -> dict[str, Contender]:
    ours, arguments = "benchmarks.ours.training:Training", {"case": case}
    found = {backend: Contender(ours, arguments, backend) for backend in ("jax", "tensorflow")}
    theirs = {"pytorch": f"benchmarks.peers.{case['system']}:Training"}
    theirs |= LIBRARIES.get(case["system"], {})
    found |= {name: Contender(target, arguments, peers=True) for name, target in theirs.items()}
    if case["system"] in PURE_JAX:
        target = f"benchmarks.pure_jax.{case['system']}:Training"
        found["pure_jax"] = Contender(target, arguments)
    return found | {"products": PRODUCTS}


def _rows(name: str, results: dict[str, Result]) -> list[rows.Row]:
    products = results.pop("products")
    flops = results["pytorch"].facts["flops"]
    rate = products.facts["flops"] / statistics.median(products.seconds)

    def row(ours: str, peer: str) -> rows.Row:
        pair = [results[ours], results[peer]]
        # Of what the machine's products of matrices reached in the same rounds.
        shares = [flops / statistics.median(result.seconds) / rate for result in pair]
        more = {"gflop": flops / 1e9, "gflop_per_second_of_machine": rate / 1e9, "share": shares}
        return rows.compared("train", f"{name} {ours}", peer, *pair, **more)

    peers = [peer for peer in results if peer not in ("jax", "tensorflow")]
    return [row("jax", peer) for peer in peers] + [row("tensorflow", "pytorch")]
