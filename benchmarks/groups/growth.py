"""How a step's time and its memory grow with the batch, the image, the sequence and the data set."""

import json
import statistics
from collections.abc import Iterator
from typing import Any

from benchmarks import cases, rows
from benchmarks.groups.memory import MEGA, WATCHED, memory, trainings
from benchmarks.options import Options
from benchmarks.race import SAME_TRAINING, BenchmarkError, Contender, Result, race

BATCHES = (16, 32, 64, 128, 256)
BATCH_SYSTEMS = ("vae", "dcgan", "ddpm", "gpt2")
SIDES = (8, 16, 32, 64)
IMAGE_SYSTEMS = ("dcgan", "ddpm")
#: Of a batch of images of any size.
IMAGE_BATCH = 16
CONTEXTS = (32, 64, 128, 256, 512)
EXAMPLES = (10**3, 10**4, 10**5, 10**6)
#: Megabytes outside of files that a thousand times as many examples may add: the order of a pass takes 8 bytes for each.
LIMIT = 32.0


def run(options: Options) -> None:
    """Rows such as "ddpm image 32 jax" for `batch`, `image`, `context`, `examples`."""
    parts = {"batch": _batches, "image": _images, "context": _contexts}
    for part in options.chosen([*parts, "examples"]):
        if part == "examples":
            for kind in ("jax", "tensorflow", "reading"):
                with options.attempt(f"{part} {kind}"):
                    _examples(options, kind)
            continue
        for name, case in parts[part](options.toy):
            with options.attempt(name):
                _steps(options, name, case)


def _batches(toy: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    for system in BATCH_SYSTEMS[:1] if toy else BATCH_SYSTEMS:
        for size in BATCHES[:1] if toy else BATCHES:
            yield f"{system} batch {size}", cases.case(system, batch_size=size)


def _images(toy: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    for system in IMAGE_SYSTEMS[:1] if toy else IMAGE_SYSTEMS:
        for side in SIDES[1:2] if toy else SIDES:
            case = cases.case(system, batch_size=IMAGE_BATCH)
            yield f"{system} image {side}", resized(case, side)


def _contexts(toy: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    for context in CONTEXTS[:1] if toy else CONTEXTS:
        yield f"gpt2 context {context}", cases.case("gpt2", context=context)


def resized(case: dict[str, Any], side: int) -> dict[str, Any]:
    """A case with square grey images of another size; the network is as deep as before."""
    shape = (side, side, 1)
    folder = cases.write_data({"image": shape}, cases.EXAMPLES)
    levels = json.loads((folder / "dataset.json").read_text(encoding="utf-8"))["levels"]
    known = {"image_shape": list(shape), "levels": levels}
    model = case["model"] | {key: value for key, value in known.items() if key in case["model"]}
    fields = {field: str(folder / f"train_{field}.npy") for field in case["fields"]}
    return case | {"model": model, "levels": levels, "data": str(folder), "fields": fields}


def _steps(options: Options, name: str, case: dict[str, Any]) -> None:
    # The largest take seconds a step.
    results = race(
        trainings(case),
        rounds=options.rounds,
        seconds=options.seconds,
        most=16,
        equal=SAME_TRAINING,
    )
    theirs = results.pop("pytorch")
    for backend, result in results.items():
        label, more = f"{name} {backend}", memory(result, theirs)
        options.tell(rows.compared("growth", label, "pytorch", result, theirs, **more))


def _examples(options: Options, kind: str) -> None:
    """Training, and reading of whole passes, with ever more examples on disk.

    Raises:
        BenchmarkError: If the memory outside of files grows with the examples.
    """
    least = None
    for count in EXAMPLES[:2] if options.toy else EXAMPLES:
        result = _with_examples(options, kind, cases.case("vae", count), count)
        row = rows.Row(
            "growth",
            f"vae examples {count} {kind}",
            None,
            1e3 * statistics.median(result.seconds),
            more=memory(result),
        )
        options.tell(row)
        anonymous = result.facts["anonymous"] / MEGA
        least = anonymous if least is None else least
        if anonymous - least > LIMIT:
            raise BenchmarkError(
                f"{row.name}: {anonymous - least:.0f} MB more outside of files than with "
                f"{EXAMPLES[0]} examples, not at most {LIMIT:.0f}"
            )


def _with_examples(options: Options, kind: str, case: dict[str, Any], count: int) -> Result:
    reading = kind == "reading"
    target = "ours.reading:Reading" if reading else "ours.training:Training"
    contender = Contender(
        WATCHED,
        {"target": f"benchmarks.{target}", "arguments": {"case": case}},
        "jax" if reading else kind,
    )
    # A round reads one pass at the most, and a training 256 steps.
    most = count // (case["batch_size"] * case["batches"]) if reading else 256
    contenders = {kind: contender}
    return race(contenders, rounds=options.rounds, seconds=options.seconds, most=most, equal=())[
        kind
    ]
