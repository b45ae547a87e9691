"""`python -m pipelines.evaluate KEY`: measures a trained system on the test set.

With `--model FILE.keras --output FILE.json` it measures another model of the same system and writes its
scores there and nowhere else: the retraining flow compares a champion so.
"""

import argparse
import time
from pathlib import Path
from typing import Any

from pipelines.running import code
from pipelines.running.compiled import keep_compiled
from pipelines.running.measurement import Measurement
from pipelines.running.stages import end_with_dvc, need, quick, quiet
from pipelines.settings import Settings, load_settings, project_root
from pipelines.shared import errors, scores, written
from pipelines.shared.errors import UserError
from pipelines.shared.files import replacing, scratch, write_json

OUTPUTS = (
    "scores.json",
    "calibration.json",
    "columns.json",
    "seeds.json",
    "pictures.json",
    "samples.png",
    "samples.json",
)


def run(key: str, settings: Settings, root: Path) -> None:
    """Writes into `reports/<key>/` what `OUTPUTS` names, and `latents/`; for DVC `metrics/<key>.json`."""
    settings.system(key)
    folder = need(root / "models" / key, f"dvc repro train@{key}")
    trained = written.read(folder / "run.json", written.Training, f"dvc repro -f train@{key}")

    from gm_keras import backend, images
    from gm_keras.core import io
    from pipelines import tracking
    from pipelines.running.facts import run_facts
    from pipelines.tracking.scored import scored

    tracking.check(settings.tracking)
    try:
        model = io.load(folder)
    except ValueError as error:
        raise UserError(f"{error}: train it again with: dvc repro -f train@{key}") from None
    report = root / "reports" / key
    with scratch(root / "build" / f"evaluate_{key}") as work:
        measurement = Measurement(key, settings, root, model, work)
        metrics = measurement.metrics()
        calibration = measurement.calibration()
        columns = measurement.columns()
        with replacing(report / "latents") as target:
            target.mkdir()
            pictures = measurement.pictures(target)
    write_json(report / "pictures.json", pictures)
    with replacing(report / "samples.png") as path:
        images.save(measurement.picture, path)
    write_json(report / "samples.json", measurement.by_themselves)
    write_json(report / "scores.json", metrics)
    steering = scores.steering(metrics, model.capabilities)
    write_json(root / "metrics" / f"{key}.json", steering, in_order=True)
    write_json(report / "calibration.json", calibration)
    write_json(report / "columns.json", columns)
    write_json(report / "seeds.json", measurement.of_seeds)
    timing = {
        "samples_per_second": round(measurement.speed, 1),
        "finished": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "backend": backend.name,
        "device": backend.device_name(),
    }
    write_json(report / "timing.json", timing)
    facts = run_facts(key, settings, root)
    tracked = tracking.resume_run(settings.tracking, key, trained.run_id, **facts)
    tracked.set_tag("code.evaluate", code.digest("evaluate", key, settings))
    measured = numbers(metrics)
    tracked.log_scores(scored(metrics, calibration), root / "data" / settings.system(key).data)
    for name in OUTPUTS:
        # Beside the others there is a table of this name, which MLflow shows.
        tracked.log_file(report / name, "evaluation" if name == "scores.json" else None)
    for path in sorted((report / "latents").iterdir()):
        tracked.log_file(path, "latents")
    print(f"{key}: " + ", ".join(f"{name} {value:.4g}" for name, value in measured.items()))
    for name, reason in metrics["left_out"].items():
        print(f"{key}: without {name}: {reason}")


def run_other(key: str, settings: Settings, root: Path, model_path: Path, output: Path) -> None:
    """Measures the model in a `.keras` file, and writes its scores to `output`."""
    from pipelines.exports.safe_load import load_keras

    with scratch(root / "build" / f"evaluate_{key}_other") as work:
        measurement = Measurement(key, settings, root, load_keras(model_path), work)
        write_json(output, measurement.metrics())


def numbers(metrics: dict[str, Any]) -> dict[str, float]:
    """The scores among the entries of `scores.json`."""
    return {name: value for name, value in metrics.items() if isinstance(value, float)}


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
    settings.system(arguments.key)
    settings.choose_backend()
    quiet()
    quick()
    keep_compiled()
    if arguments.model:
        run_other(arguments.key, settings, project_root(), arguments.model, arguments.output)
    else:
        run(arguments.key, settings, project_root())


if __name__ == "__main__":
    errors.main(command)
