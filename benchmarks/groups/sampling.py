"""Samples a second, with random weights: ours against hand-written PyTorch, libraries, and our own loops without caches."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from benchmarks import cases, rows
from benchmarks.options import Options
from benchmarks.race import BenchmarkError, Contender, Result, race

OURS = "benchmarks.ours.sampling:Sampling"
#: The sampler of denoising-diffusion-pytorch draws a bar that nothing else turns off.
QUIET = {"TQDM_DISABLE": "1"}
#: A loop without caches is slow, and its times spread little.
NAIVE_ROUNDS = 3


@dataclass(frozen=True)
class Task:
    """What is sampled.

    Attributes:
        case: Of `cases.SYSTEMS`.
        peers: Who else samples in the same way: name -> class.
        model: Changes to the recipe's model.
        toy: Changes besides, to the smallest sizes.
        options: Of `sample`; the peers get them too.
        toy_options: Changes of these.
        batch: Samples in one call.
        most: Calls in one round.
        naive_batch: Samples in one call of the loops without caches, and of ours against them; none of these run
            where it is 0.
        naive_peers: Other loops without caches.
    """

    case: str
    peers: Mapping[str, str]
    model: Mapping[str, Any] = field(default_factory=dict)
    toy: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    toy_options: Mapping[str, Any] = field(default_factory=dict)
    batch: int = 64
    most: int = 64
    naive_batch: int = 0
    naive_peers: Mapping[str, str] = field(default_factory=dict)

    @property
    def unit(self) -> str:
        """What is counted, each second."""
        return "tokens/s" if "length" in self.options else "images/s"

    def made(self, toy: bool) -> tuple[dict[str, Any], dict[str, Any]]:
        """The case and the options of the sampler."""
        changes = {**self.model, **(self.toy if toy else {})}
        options = {**self.options, **(self.toy_options if toy else {})}
        return cases.case(self.case, **changes), options


def _pixelcnn(side: int, most: int) -> Task:
    # One network for all sides, so that they can be compared.
    return Task(
        "gated_pixelcnn_28",
        {"pytorch": "benchmarks.peers.pixelcnn_sampling:Cached"},
        model={"image_shape": [side, side, 1]},
        toy={"image_shape": [4, 4, 1], "filters": 4, "layers": 2, "hidden": 4},
        batch=16,
        most=most,
        naive_batch=1,
        naive_peers={"pytorch naive": "benchmarks.peers.pixelcnn_sampling:Naive"},
    )


def _text(
    length: int, batch: int, most: int, naive_batch: int, library: bool = True, **model: int
) -> Task:
    peers = {"pytorch": "benchmarks.peers.gpt2_sampling:Text"}
    if library:
        peers["x_transformers"] = "benchmarks.libraries.text:Text"
    return Task(
        "gpt2",
        peers,
        model=model,
        toy={"context": 8, "layers": 1, "width": 16, "heads": 2},
        options={"length": length, "temperature": 0.8},
        toy_options={"length": 9 if library else 20},
        batch=batch,
        most=most,
        naive_batch=naive_batch,
    )


TASKS = {
    "dcgan_28": Task(
        "dcgan_28", {"pytorch": "benchmarks.peers.sampling:DCGAN"}, toy={"filters": 4}, most=512
    ),
    "realnvp_28": Task(
        "realnvp_28",
        {"pytorch": "benchmarks.peers.realnvp_sampling:RealNVP"},
        toy={"filters": 4, "blocks": 1, "couplings": 1},
        most=2,
    ),
    "ddpm_28": Task(
        "ddpm_28",
        {
            "pytorch": "benchmarks.peers.sampling:DDPM",
            "diffusers": "benchmarks.libraries.ddim:DDPM",
            "denoising_diffusion_pytorch": "benchmarks.libraries.diffusion:DDPM",
        },
        toy={"filters": 8, "multipliers": [1, 2]},
        # The recipe's: DDIM with as much noise as the ancestral sampler.
        options={"steps": 50, "eta": 1.0},
        toy_options={"steps": 2},
        batch=8,
        most=1,
    ),
    "gated_pixelcnn_8": _pixelcnn(8, most=8),
    "gated_pixelcnn_16": _pixelcnn(16, most=2),
    "gated_pixelcnn_28": _pixelcnn(28, most=1),
    "gpt2": _text(65, 16, most=8, naive_batch=16),
    "gpt2_one": _text(65, 1, most=16, naive_batch=1),
    # Longer than the context: windows, for which x-transformers keeps no cache.
    "gpt2_windows": _text(256, 16, most=2, naive_batch=4, library=False),
    # The size that nanoGPT trains on a GPU.
    "gpt2_context_256": _text(
        257, 16, most=1, naive_batch=1, context=256, layers=6, width=384, heads=6
    ),
}
TOYS = ("dcgan_28", "realnvp_28", "ddpm_28", "gated_pixelcnn_8", "gpt2")


def run(options: Options) -> None:
    """Rows for each task: with what ours keeps against peers that keep it too, then against loops that do not."""
    for name in options.chosen(TASKS):
        if options.toy and name not in TOYS and not options.only:
            continue
        for contest in (_same_way, _naive):
            with options.attempt(name):
                for row in contest(name, options):
                    options.tell(row)


def _same_way(name: str, options: Options) -> list[rows.Row]:
    task = TASKS[name]
    backends = ("jax",) if options.toy else ("jax", "tensorflow")
    case, sampling = task.made(options.toy)
    batch = min(task.batch, 2) if options.toy else task.batch
    contenders = {
        backend: Contender(OURS, {"case": case, "batch": batch, "options": sampling}, backend)
        for backend in backends
    }
    contenders |= _peers(task.peers, case, batch, sampling)
    results = _raced(contenders, options, task.most, options.rounds)
    rates = {key: _per_item(result, batch, sampling) for key, result in results.items()}
    pairs = [("jax", peer) for peer in task.peers]
    pairs += [("tensorflow", "pytorch")] if "tensorflow" in rates else []
    return [
        _row(f"{name} {ours}", peer, rates[ours], rates[peer], task.unit, batches=[batch, batch])
        for ours, peer in pairs
    ]


def _naive(name: str, options: Options) -> list[rows.Row]:
    task = TASKS[name]
    if not task.naive_batch:
        return []
    case, sampling = task.made(options.toy)
    batch = min(task.batch, 2) if options.toy else task.batch
    naive = min(task.naive_batch, batch)
    without = {**sampling, "cached": False}
    contenders = {
        "jax": Contender(OURS, {"case": case, "batch": naive, "options": sampling}, "jax"),
        "ours naive": Contender(OURS, {"case": case, "batch": naive, "options": without}, "jax"),
        **_peers(task.naive_peers, case, naive, sampling),
    }
    results = _raced(contenders, options, 1, min(options.rounds, NAIVE_ROUNDS))
    rates = {key: _per_item(result, naive, sampling) for key, result in results.items()}
    cached = rates.pop("jax")
    found = [
        _row(f"{name} jax", peer, cached, each, task.unit, batches=[naive, naive])
        for peer, each in rates.items()
    ]
    ours = rates.pop("ours naive")
    return found + [
        _row(f"{name} naive jax", peer, ours, each, task.unit, batches=[naive, naive])
        for peer, each in rates.items()
    ]


def _peers(
    targets: Mapping[str, str], case: dict[str, Any], batch: int, sampling: dict[str, Any]
) -> dict[str, Contender]:
    arguments = {"case": case, "batch": batch, **sampling}
    return {
        name: Contender(target, arguments, peers=True, environment=QUIET)
        for name, target in targets.items()
    }


def _raced(
    contenders: dict[str, Contender], options: Options, most: int, rounds: int
) -> dict[str, Result]:
    if options.toy:
        rounds, seconds, most = 3, 0.1, 2
    else:
        seconds = options.seconds
    results = race(contenders, rounds=rounds, seconds=seconds, most=most, equal=("example",))
    # A library's network is as near as it can be; the row says how near.
    counts = {
        name: result.facts["parameters"]
        for name, result in results.items()
        if not contenders[name].target.startswith("benchmarks.libraries.text")
    }
    if len(set(counts.values())) > 1:
        raise BenchmarkError(f"not the same parameters: {counts}")
    return results


def _per_item(result: Result, batch: int, sampling: dict[str, Any]) -> Result:
    """The seconds for one image, or for one token that was drawn."""
    items = batch * (sampling["length"] - 1 if "length" in sampling else 1)
    return replace(result, seconds=[each / items for each in result.seconds])


def _row(name: str, peer: str, ours: Result, theirs: Result, unit: str, **more: Any) -> rows.Row:
    if ours.facts["parameters"] != theirs.facts["parameters"]:
        more["parameters_of_peer"] = theirs.facts["parameters"]
    row = rows.compared("sampling", name, peer, ours, theirs, **more)
    # Rates of the medians, in milliseconds.
    return replace(row, ours=1e3 / row.ours, theirs=1e3 / row.theirs, unit=unit)
