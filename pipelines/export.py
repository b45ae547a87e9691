"""`python -m pipelines.export KEY`: the trained model, for use elsewhere.

Writes `exports/<key>/`: `model.keras`, in `networks/` the inference networks as `.keras`, SavedModel and
ONNX, `export.json`, of a table what its columns were in training (`table.json`), and what an evaluation found in `scores.json`; registers the sampler with MLflow.

It runs on TensorFlow, whatever trained the weights: they do not depend on the backend. JAX can write
neither every SavedModel (not `top_k`, `inv`) nor every ONNX file (not `arange`, `mod`, `image.resize`), and
loads TensorFlow besides.
"""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gm_keras import extras
from pipelines import tracking
from pipelines.running import code
from pipelines.running.stages import need, stage
from pipelines.settings import BACKENDS, Settings
from pipelines.shared import written
from pipelines.shared.errors import UserError
from pipelines.shared.files import replacing, write_json

if TYPE_CHECKING:
    from gm_keras import GenerativeModel

FORMATS = ("keras", "tf_saved_model", "onnx")


def run(key: str, settings: Settings, root: Path) -> None:
    """Writes `exports/<key>/` and registers the sampler; a `UserError` leaves what was there before.

    Args:
        key: A system of `params.yaml`.
        settings: Of the project.
        root: The folder of the project.
    """
    settings.system(key)
    extras.need("export")
    source = root / "models" / key
    for name in ("config.json", "model.weights.h5", "run.json"):
        need(source / name, f"dvc repro train@{key}")
    tracking.check(settings.tracking)
    os.environ["KERAS_BACKEND"] = "tensorflow"
    # The plain kernels: no message from each start of TensorFlow, and the same differences each time.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
    export(key, settings, root)


def export(key: str, settings: Settings, root: Path) -> None:
    """Does what `run` says, once Keras runs on TensorFlow.

    Args:
        key: A system of `params.yaml`.
        settings: Of the project.
        root: The folder of the project.
    """
    source = root / "models" / key
    trained = written.read(source / "run.json", written.Training, f"dvc repro -f train@{key}")
    backend = trained.backend or settings.backend
    if backend not in BACKENDS:
        raise UserError(
            f'{source / "run.json"} names the backend "{backend}", expected one of {", ".join(BACKENDS)}: '
            f"make it again with: dvc repro -f train@{key}"
        )
    # Before hours of work, and before a version is registered.
    scores = _scores(key, root) if (root / "reports" / key / "scores.json").exists() else None
    with replacing(root / "exports" / key) as folder:
        from pipelines.exports.registration import Sampler, register, sha256
        from pipelines.running.facts import run_facts
        from pipelines.tracking.scored import scored

        model = _trained_model(source, key)
        content = write_exports(model, folder)
        facts = run_facts(key, settings, root)
        facts["tags"]["backend"] = backend
        table = folder / "table.json" if trained.table is not None else None
        if table is not None:
            write_json(table, trained.table)
        current = tracking.resume_run(settings.tracking, key, trained.run_id, **facts)
        sampler = Sampler(
            key=key,
            model=folder / "model.keras",
            shape=() if model.data_field == "tokens" else model.data_shape,
            conditions=model.conditions,
            table=table,
            backend=backend,
            options=settings.system(key).sample,
            code=code.digest("export", key, settings),
        )
        current.set_tag("code.export", sampler.code)
        tags = {"weights_sha256": sha256(source / "model.weights.h5")}
        headline = scored(scores["scores"]).headline if scores is not None else ""
        data = root / "data" / settings.system(key).data
        version = register(current, sampler, tags, data, headline)
        write_json(folder / "export.json", {"system": key, **content})
        if scores is not None:
            write_json(folder / "scores.json", scores)
    networks = ", ".join(content["networks"])
    print(f"{key}: exported {networks}; the challenger is version {version}", flush=True)


def write_exports(model: "GenerativeModel", folder: Path) -> dict[str, Any]:
    """Writes a model and its networks.

    Args:
        model: The trained model.
        folder: Made here.

    Returns:
        What `export.json` says; the same for the same model.

    Raises:
        UserError: A network cannot be expressed in a format, or computes something else there.
    """
    import keras

    from pipelines.exports.networks import export_network, save_keras
    from pipelines.exports.registration import sha256

    networks = folder / "networks"
    networks.mkdir(parents=True)
    save_keras(model, folder / "model.keras")
    return {
        "class": keras.saving.get_registered_name(type(model)),
        "capabilities": sorted(model.capabilities),
        "sample_shape": list(model.data_shape),
        "num_classes": model.num_classes,
        "conditions": {name: each.described() for name, each in model.conditions.items()},
        "model_sha256": sha256(folder / "model.keras"),
        "formats": list(FORMATS),
        "networks": {
            name: export_network(name, network, networks)
            for name, network in model.inference_networks().items()
        },
    }


def _scores(key: str, root: Path) -> dict[str, Any]:
    """What the evaluation found out, to go with the model, and the checksums of what it drew and wrote."""
    from pipelines.exports.registration import sha256

    folder, command = root / "reports" / key, f"dvc repro -f evaluate@{key}"
    shapes = {
        "scores": written.Metrics,
        "calibration": written.Calibration,
        "seeds": written.SEEDS,
        "pictures": list[written.Picture],
    }
    read = {
        name: written.read_plain(folder / f"{name}.json", shape, command)
        for name, shape in shapes.items()
    }
    drawn = [folder / "latents" / each["file"] for each in read["pictures"] if "file" in each]
    others = [folder / name for name in ("history.csv", "samples.json", "samples.png")]
    files = [*others, *drawn, *sorted((folder / "epochs").glob("*.png"))]
    checksums = {
        str(path.relative_to(folder)): sha256(need(path, command)) for path in sorted(files)
    }
    return {**read, "checksums": checksums}


def _trained_model(folder: Path, key: str) -> "GenerativeModel":
    from gm_keras.core import io

    try:
        return io.load(folder)
    except ValueError as error:
        raise UserError(f"{error}: train it again with: dvc repro -f train@{key}") from None


if __name__ == "__main__":
    stage(run, "python -m pipelines.export KEY")
