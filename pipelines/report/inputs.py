"""What the stages wrote of a system, read and checked.

A file that every evaluation writes must be there and whole; one that only some write may be
absent, so that a page of older results can still be made.
"""

import csv
import hashlib
import io
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py

from gm_keras import reading
from pipelines.settings import Settings, SystemSettings
from pipelines.shared import catalog, scores, written
from pipelines.shared.errors import UserError
from pipelines.shared.written import Calibration, Column, Metrics, Picture, Timing, Training

#: What no training has.
MOST_EPOCHS = 10**9


@dataclass(frozen=True)
class System:
    """One evaluated system.

    Attributes:
        key: Its name in `params.yaml`.
        settings: Its block there.
        recipe: What its recipe says.
        metrics: Scores and circumstances.
        calibration: What to read the scores by; None where it was not written.
        seeds: The scores of each seed; empty where there is one.
        columns: Of a table, one by one; empty for other data.
        timing: Of the sampling.
        training: Of the training.
        texts: Samples of a text model; empty for the others.
        sounds: Samples of a model of sounds, as data addresses; empty for the others.
        samples: The picture of samples.
        epochs: Pictures while it trained, as (epoch, file).
        latents: The entries of `pictures.json` with their files.
        not_drawn: Pictures that could not be drawn, and why.
        history: Each curve as points (epoch, value).
        dataset: `dataset.json`; None where the prepared data are not here.
        parameters: Numbers that the weights file holds; None where it is not here.
    """

    key: str
    settings: SystemSettings
    recipe: catalog.Recipe
    metrics: Metrics
    calibration: Calibration | None
    seeds: dict[str, dict[str, float]]
    columns: list[Column]
    timing: Timing
    training: Training
    texts: list[str]
    sounds: list[str]
    samples: Path
    epochs: list[tuple[int, Path]]
    latents: list[tuple[Picture, Path]]
    not_drawn: list[tuple[str, str]]
    history: dict[str, list[tuple[int, float]]]
    dataset: dict[str, Any] | None
    parameters: int | None

    def value(self, name: str) -> float | None:
        """A score; None where the system has none of that name."""
        return scores.value_of(self.metrics.everything, name)

    def error(self, name: str) -> float | None:
        """The standard error of a score."""
        return scores.error_of(self.metrics.everything, name)


def evaluated(settings: Settings, root: Path) -> list[str]:
    """The keys of the systems that have scores, in the order of `params.yaml`."""
    return [key for key in settings.systems if (root / "reports" / key / "scores.json").is_file()]


def read_system(key: str, settings: Settings, root: Path) -> System:
    """Reads everything about one evaluated system.

    Raises:
        UserError: A file is missing or is not what the stage writes: which, and how to make it again.
    """
    block = settings.systems[key]
    folder, model = root / "reports" / key, root / "models" / key
    evaluate, train = f"dvc repro -f evaluate@{key}", f"dvc repro -f train@{key}"
    metrics = written.read(folder / "scores.json", Metrics, evaluate)
    samples = written.read(folder / "samples.json", dict[str, list[str]], evaluate)
    weights = model / "model.weights.h5"
    pictures = _optional(folder / "pictures.json", list[Picture], evaluate) or []
    return System(
        key=key,
        settings=block,
        recipe=catalog.recipe(block.class_name),
        metrics=metrics,
        calibration=_optional(folder / "calibration.json", Calibration, evaluate),
        seeds=_optional(folder / "seeds.json", written.SEEDS, evaluate) or {},
        columns=_optional(folder / "columns.json", list[Column], evaluate) or [],
        timing=written.read(folder / "timing.json", Timing, evaluate),
        training=written.read(model / "run.json", Training, train),
        texts=samples.get("texts", []),
        sounds=samples.get("sounds", []),
        samples=folder / "samples.png",
        epochs=_epochs(folder / "epochs"),
        latents=[(each, folder / "latents" / each.file) for each in pictures if not each.left_out],
        not_drawn=[(each.title, each.left_out) for each in pictures if each.left_out],
        history=history(folder / "history.csv", train),
        dataset=_optional(
            root / "data" / metrics.data / "dataset.json",
            dict[str, Any],
            f"dvc repro -f prepare@{metrics.data}",
        ),
        parameters=count_parameters(weights, train) if weights.is_file() else None,
    )


def _optional(path: Path, shape: Any, made_by: str) -> Any:
    return written.read(path, shape, made_by) if path.exists() else None


def _epochs(folder: Path) -> list[tuple[int, Path]]:
    found = ((re.fullmatch(r"epoch_(\d+)", path.stem), path) for path in folder.glob("*.png"))
    return sorted((int(match[1]), path) for match, path in found if match)


def history(path: Path, made_by: str) -> dict[str, list[tuple[int, float]]]:
    """Reads the curves of a training.

    Args:
        path: `history.csv`: a column `epoch`, and one for each curve.
        made_by: The command that makes it, for the error.

    Returns:
        The points (epoch, value) of each curve. One that belongs to some stages of the training
        only has no points in the others, nor has any curve where its value is not finite.
    """
    name = reading.shown(path)
    points: dict[str, list[tuple[int, float]]] = {}
    try:
        rows = csv.DictReader(io.StringIO(reading.read_text(path), newline=""))
        for row in rows:
            epoch = int(row.pop("epoch"))
            if not 0 < epoch < MOST_EPOCHS:
                raise ValueError(epoch)
            for curve, text in row.items():
                if text and math.isfinite(value := float(text)):
                    points.setdefault(curve, []).append((epoch, value))
    except FileNotFoundError as error:
        raise UserError(f"{error}: make it with: {made_by}") from None
    except (ValueError, TypeError, KeyError, AttributeError, csv.Error):
        raise UserError(f"{name} is damaged: make it again with: {made_by}") from None
    return points


def count_parameters(path: Path, made_by: str) -> int:
    """Counts the numbers in a file of weights: all but whole ones, which are steps and seeds.

    Args:
        path: The file; where `config.json` beside it has its checksum, that is looked at first.
        made_by: The command that makes it, for the error.
    """
    sizes: list[int] = []

    def add(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            sizes.append(int(item.size))

    try:
        _check_sum(path)
        with h5py.File(path) as file:
            file.visititems(add)
    except Exception:  # h5py raises anything for a damaged file
        raise UserError(f"{path} is damaged: make it again with: {made_by}") from None
    return sum(sizes)


def _check_sum(weights: Path) -> None:
    """Raises `FileError` for weights that are not those of the checksum: HDF5 trusts what it reads."""
    config = weights.with_name("config.json")
    if not config.exists():
        return
    checksums = reading.parse_json(reading.read_bytes(config), str(config)).get("sha256") or {}
    expected = checksums.get(weights.name)
    if expected and expected != hashlib.sha256(reading.read_bytes(weights)).hexdigest():
        raise reading.FileError(f"{weights} is damaged")
