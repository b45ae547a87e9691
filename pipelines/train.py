"""`python -m pipelines.train KEY`: trains one system of `params.yaml`, tracked in MLflow."""

import csv
import shutil
import sys
from pathlib import Path
from typing import Any

from pipelines.errors import UserError
from pipelines.files import replacing, write_json, writing
from pipelines.settings import Settings
from pipelines.stages import stage


def run(key: str, settings: Settings, root: Path) -> None:
    """Writes `models/<key>/`, `reports/<key>/history.csv` and `reports/<key>/epochs/`."""
    from pipelines import tracking

    system = settings.system(key)
    tracking.check(settings.tracking)

    from gm_keras import backend
    from gm_keras.core import io
    from pipelines.build import build_model, compile_model, prepared
    from pipelines.facts import run_facts

    data = prepared(system.data, settings, root)
    backend.set_seed(settings.seed)
    model = build_model(key, system, data)
    compile_model(key, system, model)
    print(f"{key}: {model.count_params():,} parameters, {backend.name} on {backend.device_name()}")

    with tracking.start_run(settings.tracking, key, **run_facts(key, settings, root)) as tracked:
        history, grids = _fit(key, settings, root, data, model, tracked)
    with replacing(root / "models" / key) as folder:
        folder.mkdir()
        io.save(model, folder)
        write_json(folder / "run.json", {"run_id": tracked.run_id, "backend": backend.name})
    report = root / "reports" / key
    with replacing(report / "history.csv") as path:
        _write_history(path, history)
    with replacing(report / "epochs") as folder:
        shutil.move(grids, folder)


def _fit(
    key: str, settings: Settings, root: Path, data: Any, model: Any, tracked: Any
) -> tuple[dict, Path]:
    from gm_keras.callbacks import NotFiniteError, SampleGrids, StopOnNaN
    from gm_keras.data import Batches
    from pipelines.mlflow_callback import MlflowCallback

    system = settings.system(key)
    field = model.data_field
    vectors = len(model.data_shape) == 1
    repeats = max(phase.repeats for phase in model.phase_list) if model.fresh_batches else 1
    size = system.fit.batch_size * repeats
    if size > data.info["splits"]["train"]:
        raise UserError(
            f"params.yaml: systems.{key}.fit.batch_size: a step takes {size} examples, but "
            f'"{system.data}" has {data.info["splits"]["train"]} to train on'
        )
    work = root / "checkpoints" / key
    grids = work / "epochs"
    with writing(work):
        shutil.rmtree(grids, ignore_errors=True)
        grids.mkdir(parents=True)
    pictures = SampleGrids(
        grids,
        system.fit.epochs,
        grids=system.fit.grids,
        options=system.sample,
        seed=settings.seed,
        real=data.scaled("test", field)[:1000] if vectors else None,
        on_picture=lambda path, epoch: tracked.log_image(path, "samples", epoch),
    )
    bounded = model.capabilities & {"bound", "density"}
    try:
        history = model.fit(
            Batches(data, "train", size, settings.seed),
            validation_data=Batches(data, "validation", size, settings.seed, shuffle=False)
            if bounded
            else None,
            epochs=system.fit.epochs,
            verbose=1 if sys.stdout.isatty() else 2,
            callbacks=[StopOnNaN(work / "good.weights.h5"), pictures, MlflowCallback(tracked)],
        )
    except NotFiniteError as error:
        raise UserError(f"{key}: {error}") from None
    return history.history, grids


def _write_history(path: Path, history: dict[str, list[float]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["epoch", *history])
        for epoch, row in enumerate(zip(*history.values(), strict=True), start=1):
            writer.writerow([epoch, *(f"{value:.7g}" for value in row)])


if __name__ == "__main__":
    stage(run, "python -m pipelines.train KEY")
