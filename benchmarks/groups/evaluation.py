"""Scores of features and the extraction of features, against PyTorch and SciPy written by hand.

Our scores come with standard errors and read sets piece by piece, which takes work that the peers do not have.
"""

from pathlib import Path

import numpy as np

from benchmarks import cases, rows
from benchmarks.options import Options
from benchmarks.race import BenchmarkError, Contender, race

FOLDER = cases.DATA / "features"
SCORES = ("frechet_distance", "kernel_distance", "precision_recall")
#: Peers of each score: name -> (function of `benchmarks.libraries.scores`, type of its numbers).
PEERS = {
    "frechet_distance": {
        "pytorch": ("frechet_distance", "float64"),
        "scipy sqrtm": ("frechet_distance_by_sqrtm", "float64"),
    },
    **{
        name: {"pytorch": (name, "float64"), "pytorch float32": (name, "float32")}
        for name in SCORES[1:]
    },
}
#: How far the values of peers may be off, relative to ours (of shares: absolutely).
TOLERANCE = {"float64": 1e-6, "float32": 5e-3}
#: Kind of extractor -> shape and number of the images that are measured at once.
EXTRACTORS = {"classifier": ((28, 28, 1), 256), "inception": ((32, 32, 3), 32)}


def run(options: Options) -> None:
    """One row for each score, width and peer, and for each extractor and backend."""
    for name in options.chosen(SCORES):
        for width in (16,) if options.toy else (64, 2048):
            with options.attempt(f"{name} {width}"):
                _of_score(options, name, 500 if options.toy else 10_000, width)
    for kind in options.chosen(("classifier",) if options.toy else EXTRACTORS):
        with options.attempt(kind):
            _of_extractor(options, kind)


def _of_score(options: Options, name: str, count: int, width: int) -> None:
    sets = {side: str(_features(count, width, side)) for side in ("real", "generated")}
    contenders = {"ours": Contender("benchmarks.ours.scores:Score", {"score": name, **sets}, "jax")}
    for peer, (function, dtype) in PEERS[name].items():
        contenders[peer] = Contender(
            "benchmarks.libraries.scores:Score",
            {"score": function, "dtype": dtype, **sets},
            peers=True,
        )
    # Some take minutes.
    most = 1 if width > 1000 else 8
    results = race(contenders, rounds=options.rounds, seconds=options.seconds, most=most, equal=())
    ours = results.pop("ours")
    for peer, result in results.items():
        tolerance = TOLERANCE[PEERS[name][peer][1]]
        values = ours.facts["values"], result.facts["values"]
        if not np.allclose(*values, rtol=tolerance, atol=tolerance):
            raise BenchmarkError(f"{name}: ours is {values[0]}, {peer} says {values[1]}")
        label, more = f"{name} {width}", {"rows": count, "values": values[0]}
        options.tell(rows.compared("evaluation", label, peer, ours, result, **more))


def _features(count: int, width: int, side: str) -> Path:
    """A file of float32 features that vary in few directions more than in others, as those of networks do."""
    path = FOLDER / f"{side}_{count}_{width}.npy"
    if not path.exists():
        FOLDER.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng(0)
        directions = random.normal(size=(16, width), scale=0.5)
        random = np.random.default_rng([1, side == "real"])
        values = random.normal(size=(count, 16)) @ directions
        values += 0.2 * random.normal(size=(count, width)) + 0.1 * (side == "generated")
        np.save(path, values.astype("float32"))
    return path


def _of_extractor(options: Options, kind: str) -> None:
    shape, count = EXTRACTORS[kind]
    FOLDER.mkdir(parents=True, exist_ok=True)
    path = FOLDER / f"images_{kind}.npy"
    images = np.random.default_rng(0).uniform(-1.0, 1.0, size=(count, *shape))
    np.save(path, images.astype("float32"))
    given = {"kind": kind, "images": str(path)}
    ours = "benchmarks.ours.features:Features"
    results = race(
        {
            "jax": Contender(ours, given, "jax"),
            "tensorflow": Contender(ours, given, "tensorflow"),
            "pytorch": Contender("benchmarks.libraries.features:Features", given, peers=True),
        },
        rounds=options.rounds,
        seconds=options.seconds,
        most=4 if kind == "inception" else 256,
        equal=("parameters", "images", "shapes"),
    )
    theirs = results.pop("pytorch")
    for backend, result in results.items():
        row = rows.compared("evaluation", f"{kind} {backend}", "pytorch", result, theirs)
        row.more["images_per_second"] = [1e3 * count / row.ours, 1e3 * count / row.theirs]
        options.tell(row)
