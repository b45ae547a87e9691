"""Stands in for the stages: the same commands, outputs and registry, without the learning.

A "model" is a number, its quality: the epochs that it was trained for. Its score is 100 less that and
the mean of the data, so that a change of the data changes every score.
"""

import hashlib
import json
import sys
import time
from pathlib import Path

from pipelines.settings import load_settings


def write(path: str, content: object) -> Path:
    file = Path(path)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content))
    return file


def prepare(name: str) -> None:
    source = Path(load_settings().data[name].path or "nowhere")
    if not source.is_dir():
        sys.exit(f"error: data.{name}.path: there is no folder {source}")
    write(f"data/{name}/dataset.json", json.loads((source / "numbers.json").read_text()))


def train(key: str) -> None:
    system = load_settings().systems[key]
    epochs = system.fit.epochs
    if epochs == 666:
        sys.exit(f"error: systems.{key}.fit.epochs: expected fewer")
    if epochs == 777:
        print("Traceback (most recent call last):\nValueError: a bug", file=sys.stderr)
        sys.exit(1)
    if epochs == 888:
        Path("stage.pid").write_text("running")
        time.sleep(120)
    write(f"models/{key}/model.weights.h5", epochs)
    write(f"models/{key}/run.json", {"run_id": f"run-of-{key}"})
    print(f"{key} was trained for {epochs} epochs")


def metrics(key: str, quality: int) -> dict:
    text = Path(f"data/{load_settings().systems[key].data}/dataset.json").read_text()
    numbers = json.loads(text)
    value = 100.0 - quality + sum(numbers) / len(numbers)
    return {
        "primary": {"name": "nll_nats", "value": value, "better": "lower"},
        "nll_nats": value,
        "data_checksum": hashlib.sha256(text.encode()).hexdigest(),
    }


def evaluate(key: str, *options: str) -> None:
    if options:
        _, model, _, output = options
        write(output, metrics(key, json.loads(Path(model).read_text())))
        Path("evaluated_again").touch()
        return
    weights = Path(f"models/{key}/model.weights.h5")
    write(f"reports/{key}/scores.json", metrics(key, json.loads(weights.read_text())))


def export(key: str) -> None:
    weights = Path(f"models/{key}/model.weights.h5").read_bytes()
    model = write(f"exports/{key}/model.keras", json.loads(weights))
    register(key, model, hashlib.sha256(weights).hexdigest())


def register(key: str, model: Path, sha256: str) -> None:
    import mlflow
    from mlflow.exceptions import MlflowException

    from pipelines.tracking.store import open_store

    client, experiment = open_store(load_settings().tracking)
    run = client.create_run(experiment)
    client.log_artifact(run.info.run_id, str(model), "sampler/artifacts")
    try:
        client.create_registered_model(key)
    except MlflowException:
        mlflow.get_tracking_uri()
    source = f"{run.info.artifact_uri}/sampler"
    version = client.create_model_version(key, source, run.info.run_id)
    client.set_model_version_tag(key, version.version, "weights_sha256", sha256)
    client.set_registered_model_alias(key, "challenger", version.version)


def report(key: str = "index") -> None:
    write(f"reports/{key}.html", "a page")
