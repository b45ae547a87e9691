"""`python -m pipelines.train KEY`: trains one system of `params.yaml`, tracked in MLflow.

Broken off, it goes on from its last checkpoint, and ends as if it had never stopped.
"""

import csv
import os
import shutil
import sys
import time
from functools import cached_property
from pathlib import Path
from typing import Any

from pipelines.running.scale import unscaled
from pipelines.running.stages import need, quick, stage
from pipelines.settings import NOTHING, Settings
from pipelines.shared.errors import UserError, out_of_memory
from pipelines.shared.facts import count
from pipelines.shared.files import replacing, write_json, writing
from pipelines.shared.locks import alone
from pipelines.tracking.revision import changes, revision_tags


def run(key: str, settings: Settings, root: Path) -> None:
    """Writes `models/<key>/`, and in `reports/<key>/` `history.csv`, `curves/` and `epochs/`."""
    quick()
    settings.system(key)
    work = root / "checkpoints" / key
    with alone(
        root / "checkpoints" / f"{key}.lock",
        f"another process trains {key} in this checkout",
        lambda line: print(line, flush=True),
    ):
        _run(key, settings, root, work)


def _run(key: str, settings: Settings, root: Path, work: Path) -> None:
    from pipelines import tracking

    system = settings.system(key)
    tracking.check(settings.tracking)

    from gm_keras import backend
    from gm_keras.core import io
    from pipelines.running import code, machine, resume
    from pipelines.running.build import build_model, check_sampling, compile_model, prepared
    from pipelines.running.facts import parameters, run_facts

    data = prepared(system.data, settings, root)
    backend.set_seed(settings.training_seed(key))
    first_stage = _first_stage(system.uses, root)
    model = build_model(key, system, data, first_stage)
    compile_model(key, system, model)
    check_sampling(key, system, model)
    ends = _stage_ends(key, system.fit, model)
    feeds = _Feeds(key, settings, data, model)
    feeds.check()
    print(
        f"{key}: {count(parameters(model))} parameters, {backend.name} on {backend.device_name()}"
    )

    tags, changed = revision_tags(root, None), changes(root)
    folder = work / resume.fingerprint(key, settings, root)
    facts = run_facts(key, settings, root)
    facts["tags"]["code.train"] = code.digest("train", key, settings)
    with resume.open_run(folder, settings, key, facts) as tracked:
        started = time.monotonic()
        history, whole = _fit(key, settings, feeds, ends, tracked, folder)
        seconds = round(time.monotonic() - started, 1)
    with replacing(root / "models" / key) as target:
        target.mkdir()
        io.save(model, target)
        record = {
            "run_id": tracked.run_id,
            "backend": backend.name,
            "device": backend.device_name(),
            # Of a training that was broken off, the time before that is not known.
            "training_seconds": seconds if whole else None,
            "git_revision": tags.get("git.revision"),
            "git_dirty": tags.get("git.dirty") == "true",
            "git_changes": changed,
            "experiment": os.environ.get("DVC_EXP_NAME"),
            "experiment_baseline": os.environ.get("DVC_EXP_BASELINE_REV"),
            "machine": machine.describe(backend.name, backend.device_name()),
        }
        if data.columns is not None:
            record["table"] = data.columns.described()
        write_json(target / "run.json", record)
    report = root / "reports" / key
    with replacing(report / "history.csv") as path:
        _write_history(path, history)
    # All curves, of which the run itself draws some.
    tracked.log_file(report / "history.csv")
    with replacing(report / "curves") as target:
        target.mkdir()
        _write_curves(target, history)
    with replacing(report / "epochs") as target:
        shutil.copytree(folder / "epochs", target)
    resume.finish(folder, root / "models" / key / "model.weights.h5")


def _first_stage(uses: str, root: Path) -> Any:
    if uses == NOTHING:
        return None
    from gm_keras.core import io

    command = f"dvc repro train@{uses}"
    try:
        return io.load(need(root / "models" / uses, command))
    except ValueError as error:
        raise UserError(f"{error}: train it again with: {command}") from None


class _Feeds:
    """The batches of a training, of the size and from the data that its block names."""

    def __init__(self, key: str, settings: Settings, data: Any, model: Any):
        self.key, self.settings, self.data, self.model = key, settings, data, model

    def check(self) -> None:
        """Raises a `UserError` where there are too few examples for a batch, tokens for a window, or labels."""
        self._of("train", on_device=False)
        if self.data.stream:
            self._of("validation", shuffle=False, on_device=False)

    def training(self, epoch: int, batch: int) -> Any:
        """Batches of the training split, from one of an epoch on."""
        return self._of(
            "train",
            steps_per_epoch=self.settings.system(self.key).fit.steps_per_epoch,
            initial_epoch=epoch,
            first_batch=batch,
        )

    def validation(self) -> Any:
        """Batches of the validation split; None for a model that has no use for them."""
        if not self.model.capabilities & {"bound", "density"}:
            return None
        return self._of("validation", shuffle=False)

    @cached_property
    def _labelled(self) -> Any:
        """The training examples whose labels the model is given; None for all."""
        from gm_keras.data.few_labels import labelled_rows

        system, model = self.settings.system(self.key), self.model
        if system.fit.labels is None:
            return None
        where, name = f"params.yaml: systems.{self.key}.fit.labels", system.class_name
        if not model.unlabelled:
            raise UserError(
                f"{where}: {name} does not learn from examples without a label: leave it out"
            )
        if "label" not in model.fields:
            raise UserError(
                f"{where}: {name} learns no labels as its model is: set model.classes, or leave it out"
            )
        try:
            seed = self.settings.training_seed(self.key)
            return labelled_rows(self.data, system.fit.labels, seed)
        except ValueError as error:
            raise UserError(f"{where}: {error}") from None

    def _of(self, split: str, **options: Any) -> Any:
        from gm_keras import backend
        from gm_keras.data import Batches, held

        model, data, fit = self.model, self.data, self.settings.system(self.key).fit
        repeats = max(phase.repeats for phase in model.phase_list) if model.fresh_batches else 1
        window = {"window": model.data_shape[0]} if data.stream else {}
        # What the model has no use for is neither read nor copied.
        used = {*model.fields, *model.conditions}
        fields = [field for field in data.info["fields"] if field in used]
        fits = backend.on_accelerator() and held.fits(data, split, fields)
        options.setdefault("on_device", fits)
        if split == "train":
            options["labelled"] = self._labelled
        size = fit.batch_size * repeats
        try:
            seed = self.settings.training_seed(self.key)
            return Batches(data, split, size, seed, fields=fields, **options, **window)
        except ValueError as error:
            where = f"params.yaml: systems.{self.key}"
            if str(error).startswith("window"):
                raise UserError(f"{where}.model.context: {error}") from None
            parts = f" (fresh_batches: {repeats} of {fit.batch_size})" if repeats > 1 else ""
            dot = "." if str(error).startswith("batch_size") else ": "
            raise UserError(f"{where}.fit{dot}{error}{parts}") from None


def _fit(
    key: str,
    settings: Settings,
    feeds: _Feeds,
    ends: list[tuple[str, int]],
    tracked: Any,
    folder: Path,
) -> tuple[list[dict[str, float]], bool]:
    """Trains; returns the curves, and whether it began at the beginning."""
    from gm_keras.callbacks import Checkpoints, NotFiniteError, SampleGrids, StopOnNaN, Stopped
    from gm_keras.callbacks.grids import examples
    from pipelines.running import resume
    from pipelines.tracking.callback import MlflowCallback

    system = settings.system(key)
    data, model = feeds.data, feeds.model
    every = system.fit.checkpoint_every or settings.checkpoint_every
    grids = folder / "epochs"
    with writing(grids):
        grids.mkdir(parents=True, exist_ok=True)
    checkpoints = Checkpoints(
        folder,
        steps=every.steps,
        minutes=every.minutes,
        tell=lambda line: print(f"{key}: {line}", flush=True),
        # A training that goes on from here does not log the epochs before again.
        before=tracked.settle,
    )
    pictures = SampleGrids(
        grids,
        system.fit.total_epochs,
        grids=system.fit.grids,
        options=system.sample,
        seed=settings.seed,
        real=examples(model, data),
        table=data.columns,
        on_picture=lambda path, epoch: tracked.log_image(path, "samples", epoch),
    )
    problem = unscaled(data)
    if problem is not None:
        print(f"{key}: warning: {problem}, or the training may diverge", flush=True)
    guard = StopOnNaN(folder / "good.weights.h5", problem or "lower the learning rate")
    callbacks = [guard, pictures, MlflowCallback(tracked)]
    validation = feeds.validation()
    position = checkpoints.restore(model)
    if position.epoch or position.batch:
        print(f"{key}: goes on after {position.epoch} epochs and {position.batch} batches")
        stage = next((name for name, end in ends if position.epoch < end), model.stage)
        if stage != model.stage and _within(position, ends):
            # Entering a stage begins it; this one has begun already.
            model.enter_stage(stage)
            checkpoints.restore(model)
    try:
        with resume.stopping(checkpoints):
            for first, last, batch in _segments(position, [end for _, end in ends]):
                model.enter_stage(next(name for name, end in ends if first < end))
                # Moving averages take the weights' place when the whole training ends.
                model.optimizer.finalizes = last == system.fit.total_epochs
                begun = max((end for _, end in ends if end <= first), default=0)
                guard.begin(checkpoints.history[begun:first])
                model.fit(
                    feeds.training(first, batch),
                    validation_data=validation,
                    initial_epoch=first,
                    epochs=last,
                    verbose=1 if sys.stdout.isatty() else 2,
                    callbacks=[*callbacks, checkpoints],
                )
    except NotFiniteError as error:
        raise UserError(f"{key}: {error}") from None
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise UserError(
            f"params.yaml: systems.{key}.fit.batch_size is {system.fit.batch_size}: a step does not fit into "
            "memory; lower it, or make the model smaller"
        ) from None
    except Stopped as stopped:
        print(f"{key}: {stopped}; the next dvc repro goes on from there", flush=True)
        raise
    return checkpoints.history, not (position.epoch or position.batch)


def _stage_ends(key: str, fit: Any, model: Any) -> list[tuple[str, int]]:
    """The stages of a training, each with the epoch that it ends before."""
    where = f"params.yaml: systems.{key}.fit"
    names = list(model.stages)
    if fit.stages is None:
        if len(names) > 1:
            raise UserError(
                f"{where}.epochs: this model is trained in stages; give stages: with the epochs of "
                f"each of {', '.join(names)}"
            )
        return [(names[0], fit.epochs)]
    if list(fit.stages) != names:
        raise UserError(
            f"{where}.stages names {', '.join(fit.stages)}; this model's stages are, in this order, "
            + ", ".join(names)
        )
    ends, end = [], 0
    for name, epochs in fit.stages.items():
        end += epochs
        ends.append((name, end))
    return ends


def _within(position: Any, ends: list[tuple[str, int]]) -> bool:
    """Whether a position is inside a stage, and not where one begins."""
    return bool(position.batch) or position.epoch not in [0, *(end for _, end in ends)]


def _segments(position: Any, ends: list[int]) -> list[tuple[int, int, int]]:
    """What is left to train, as calls of `fit`: first epoch, end, and the first epoch's first batch."""
    first, parts = position.epoch, []
    if position.batch:
        parts.append((first, first + 1, position.batch))
        first += 1
    for end in ends:
        if first < end:
            parts.append((first, end, 0))
            first = end
    return parts


def _write_history(path: Path, history: list[dict[str, float]]) -> None:
    names = list(dict.fromkeys(name for row in history for name in row))
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["epoch", *names])
        for epoch, row in enumerate(history, start=1):
            # A stage without some phase has no point on its curve.
            writer.writerow([epoch, *(f"{row[name]:.7g}" if name in row else "" for name in names)])


def _write_curves(folder: Path, history: list[dict[str, float]]) -> None:
    """Writes each curve into a file of its own: DVC draws one column of a file."""
    for name in dict.fromkeys(name for row in history for name in row):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["epoch", name])
            for epoch, row in enumerate(history, start=1):
                if name in row:
                    writer.writerow([epoch, f"{row[name]:.7g}"])


if __name__ == "__main__":
    stage(run, "python -m pipelines.train KEY")
