"""`python -m pipelines.evaluate KEY`: measures a trained system on the test set.

With `--model FILE.keras --output FILE.json` it measures another model of the same system and writes its
scores there and nowhere else: the retraining flow compares a champion so.
"""

import argparse
import hashlib
import json
import time
from pathlib import Path
from typing import Any

import numpy as np

from pipelines import errors
from pipelines.errors import UserError
from pipelines.files import read_json, replacing, write_json
from pipelines.settings import Settings, load_settings, project_root
from pipelines.stages import end_with_dvc, need, quiet

# Decimals that are written: far below any standard error, far above the noise of threads.
DIGITS = 6
# Passages of a text model that the report shows.
TEXTS = 4


def run(key: str, settings: Settings, root: Path) -> None:
    """Writes `reports/<key>/metrics.json`, `samples.png`, `samples.json` and `timing.json`."""
    from gm_keras import backend, images
    from gm_keras.core import io
    from pipelines import tracking
    from pipelines.facts import run_facts

    settings.system(key)
    tracking.check(settings.tracking)
    folder = need(root / "models" / key, f"dvc repro train@{key}")
    try:
        model = io.load(folder)
    except ValueError as error:
        raise UserError(f"{error}: train it again with: dvc repro -f train@{key}") from None
    metrics, picture, speed, samples = _measure(key, settings, root, model)

    report = root / "reports" / key
    with replacing(report / "samples.png") as path:
        images.save(picture, path)
    texts = [model.decode_text(row) for row in samples[:TEXTS]] if _is_text(model) else []
    write_json(report / "samples.json", {"texts": texts})
    write_json(report / "metrics.json", metrics)
    timing = {
        "samples_per_second": round(speed, 1),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "backend": backend.name,
        "device": backend.device_name(),
    }
    write_json(report / "timing.json", timing)
    run_id = read_json(folder / "run.json", f"dvc repro train@{key}")["run_id"]
    tracked = tracking.resume_run(settings.tracking, key, run_id, **run_facts(key, settings, root))
    scores = {name: value for name, value in metrics.items() if isinstance(value, float)}
    tracked.log_metrics({f"test/{name}": value for name, value in scores.items()})
    for name in ("metrics.json", "samples.png", "samples.json"):
        tracked.log_file(report / name)
    print(f"{key}: " + ", ".join(f"{name} {value:.4g}" for name, value in scores.items()))


def run_other(key: str, settings: Settings, root: Path, model_path: Path, output: Path) -> None:
    """Measures the model in a `.keras` file, and writes its scores to `output`."""
    from pipelines.safe_load import load_keras

    metrics, *_ = _measure(key, settings, root, load_keras(model_path))
    write_json(output, metrics)


def _measure(key: str, settings: Settings, root: Path, model: Any) -> tuple:
    from gm_keras.callbacks.grids import draw, examples, picture_size
    from gm_keras.metrics import registry
    from gm_keras.metrics.features import load_extractor
    from pipelines.build import prepared

    system = settings.system(key)
    data = prepared(system.data, settings, root)
    shape = model.data_shape if data.stream else data.example_shape
    if model.data_shape != shape or model.data_field != data.primary:
        raise UserError(
            f'{key} was trained on examples of shape {model.data_shape}, but "{system.data}" has '
            f"{shape}: train it again with: dvc repro train@{key}"
        )
    try:
        extractor = load_extractor(data, root / "extractors" / system.data)
    except ValueError as error:
        raise UserError(
            f"{error}: make it again with: dvc repro -f extractor@{system.data}"
        ) from None
    options = {"seed": settings.seed, **system.sample}
    try:
        # It compiles what is then timed: samples are drawn in parts of the picture's size.
        picture = draw(model, settings.seed, system.sample, examples(model, data))
        started = time.perf_counter()
        samples = _samples(model, data, system.evaluate.samples, picture_size(model), options)
        seconds = time.perf_counter() - started
    except (TypeError, ValueError) as error:
        raise UserError(f"params.yaml: systems.{key}.sample: {error}") from None
    if not np.isfinite(samples).all():
        raise UserError(
            f"the samples of {key} are not all numbers: train it again, with a lower learning rate"
        )
    evaluation = registry.Evaluation(model, data, extractor, samples, settings.seed)
    try:
        scores = registry.evaluate(evaluation)
    except ValueError as error:
        raise UserError(f"{key} cannot be measured: {error}") from None
    results = {name: round(value, DIGITS) for name, value in scores.items()}
    primary = registry.primary(results)
    checksums = {
        name: sha for name, sha in data.info["checksums"].items() if name.startswith("test_")
    }
    metrics = {
        **results,
        "primary": primary,
        "data": system.data,
        "data_checksum": hashlib.sha256(json.dumps(checksums, sort_keys=True).encode()).hexdigest(),
        "split": "test",
        "real": len(evaluation.test),
        "generated": len(samples),
        "seed": settings.seed,
        "extractor": {
            "kind": extractor.kind,
            "accuracy": extractor.accuracy,
            "sha256": extractor.sha256,
        },
    }
    return metrics, picture, len(samples) / seconds, samples


def _is_text(model: Any) -> bool:
    return hasattr(model, "decode_text")


def _samples(model: Any, data: Any, count: int, size: int, options: dict[str, Any]) -> np.ndarray:
    """Draws so many samples; of a translator: the translations of so many test examples, all at most."""
    if "translator" not in model.capabilities:
        if "conditional" in model.capabilities:
            # Classes as often as in the data.
            options["label"] = np.resize(data.arrays("test")["label"], count)
        return model.sample(count, **{"batch_size": size, **options})
    count = min(count, data.size("test"))
    parts = []
    for start in range(0, count, size):
        # The last part is filled up, so that there is one shape to compile.
        sources = data.scaled("test", "source", np.arange(start, start + size) % count)
        part = {**options, "seed": options["seed"] + start}
        parts.append(np.asarray(model.translate(sources, **part)))
    return np.concatenate(parts)[:count]


def command() -> None:
    """Reads the command line and runs the stage."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.evaluate")
    parser.add_argument("key", help="a system in params.yaml")
    parser.add_argument("--model", type=Path, help="measure this .keras file instead")
    parser.add_argument("--output", type=Path, help="with --model: where its scores go (JSON)")
    arguments = parser.parse_args()
    if (arguments.model is None) != (arguments.output is None):
        parser.error("--model and --output go together")
    end_with_dvc()
    settings = load_settings()
    settings.choose_backend()
    quiet()
    if arguments.model:
        run_other(arguments.key, settings, project_root(), arguments.model, arguments.output)
    else:
        run(arguments.key, settings, project_root())


if __name__ == "__main__":
    errors.main(command)
