"""What the stages wrote of a system, read and checked.

A file that every evaluation writes must be there and whole; one that only some write may be
absent, so that a page of older results can still be made.
"""

import csv
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from pipelines import catalog, scores
from pipelines.errors import UserError
from pipelines.files import read_json
from pipelines.settings import Settings, SystemSettings


class _Written(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True)


class Extractor(_Written):
    """What gave the features in which samples were compared with data."""

    kind: str
    accuracy: float | None = None
    sha256: str | None = None
    name: str | None = None
    features: int | None = None


class Likelihood(_Written):
    """What kind of number a likelihood is.

    Attributes:
        kind: "exact", "bound" or "estimate".
        importance_samples: Draws for each example, of an importance-weighted estimate.
        dequantization: How whole numbers became real ones, where a density needs it.
        binarization: How grey levels became binary, where a model takes them so.
        given: "label" if each example's label was told to the model.
        of: What it is the likelihood of: "discrete" data, a "density", or a "relaxed" Bernoulli.
    """

    kind: str
    importance_samples: int | None = None
    dequantization: str | None = None
    binarization: str | None = None
    of: str | None = None
    given: str | None = None


class Metrics(_Written):
    """`metrics.json`: the circumstances by name, the scores among `everything`."""

    data: str
    split: str
    real: int
    generated: int
    seed: int
    extractor: Extractor
    seeds: int = 1
    data_checksum: str | None = None
    primary: dict[str, Any] | None = None
    likelihood: Likelihood | None = None
    left_out: dict[str, str] = {}
    ms_ssim_scales: int | None = None
    ms_ssim_window: int | None = None

    @property
    def everything(self) -> dict[str, Any]:
        """All entries that are no circumstances: scores and their standard errors."""
        return self.model_extra or {}


class Calibration(_Written):
    """`calibration.json`: the scores of real data, and those of noise or an untrained model."""

    floor: dict[str, float | None] = {}
    ceiling: dict[str, float | None] = {}
    floor_of: str = "training examples against the test set"
    ceiling_of: str = "noise or an untrained model"


class Training(_Written):
    """`run.json`: who trained it, where and how long, as far as it was written down."""

    run_id: str
    backend: str | None = None
    device: str | None = None
    training_seconds: float | None = None
    git_revision: str | None = None
    git_dirty: bool | None = None


class Timing(_Written):
    """`timing.json`: how fast samples were drawn, and when."""

    samples_per_second: float
    finished: str
    backend: str
    device: str


class Picture(_Written):
    """One entry of `pictures.json`."""

    file: str
    title: str
    caption: str = ""
    alt: str


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
        timing: Of the sampling.
        training: Of the training.
        texts: Samples of a text model; empty for the others.
        samples: The picture of samples.
        epochs: Pictures while it trained, as (epoch, file).
        latents: The entries of `pictures.json` with their files.
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
    timing: Timing
    training: Training
    texts: list[str]
    samples: Path
    epochs: list[tuple[int, Path]]
    latents: list[tuple[Picture, Path]]
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
    return [key for key in settings.systems if (root / "reports" / key / "metrics.json").is_file()]


def read_system(key: str, settings: Settings, root: Path) -> System:
    """Reads everything about one evaluated system.

    Raises:
        UserError: A file is missing or is not what the stage writes: which, and how to make it again.
    """
    block = settings.systems[key]
    folder, model = root / "reports" / key, root / "models" / key
    evaluate, train = f"dvc repro -f evaluate@{key}", f"dvc repro -f train@{key}"
    metrics = _read(folder / "metrics.json", Metrics, evaluate)
    weights = model / "model.weights.h5"
    pictures = _optional(folder / "pictures.json", list[Picture], evaluate) or []
    return System(
        key=key,
        settings=block,
        recipe=catalog.recipe(block.class_name),
        metrics=metrics,
        calibration=_optional(folder / "calibration.json", Calibration, evaluate),
        seeds=_optional(folder / "seeds.json", dict[str, dict[str, float]], evaluate) or {},
        timing=_read(folder / "timing.json", Timing, evaluate),
        training=_read(model / "run.json", Training, train),
        texts=_read(folder / "samples.json", dict[str, list[str]], evaluate).get("texts", []),
        samples=folder / "samples.png",
        epochs=_epochs(folder / "epochs"),
        latents=[(each, folder / "latents" / each.file) for each in pictures],
        history=history(folder / "history.csv", train),
        dataset=_optional(
            root / "data" / metrics.data / "dataset.json",
            dict[str, Any],
            f"dvc repro -f prepare@{metrics.data}",
        ),
        parameters=count_parameters(weights, train) if weights.is_file() else None,
    )


def _read(path: Path, shape: Any, made_by: str) -> Any:
    content = read_json(path, made_by)
    try:
        return TypeAdapter(shape).validate_python(content)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        reason = problem["msg"][0].lower() + problem["msg"][1:]
        raise UserError(
            f"{path} is not what the stage writes ({f'{where}: ' if where else ''}{reason}): "
            f"make it again with: {made_by}"
        ) from None


def _optional(path: Path, shape: Any, made_by: str) -> Any:
    return _read(path, shape, made_by) if path.is_file() else None


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
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        points: dict[str, list[tuple[int, float]]] = {}
        for row in rows:
            epoch = int(row.pop("epoch"))
            for name, text in row.items():
                if text and math.isfinite(value := float(text)):
                    points.setdefault(name, []).append((epoch, value))
    except FileNotFoundError:
        raise UserError(f"{path} is missing: make it with: {made_by}") from None
    except (ValueError, TypeError, KeyError, AttributeError, csv.Error):
        raise UserError(f"{path} is damaged: make it again with: {made_by}") from None
    return points


def count_parameters(path: Path, made_by: str) -> int:
    """Counts the numbers in a file of weights: all but whole ones, which are steps and seeds."""
    sizes: list[int] = []

    def add(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            sizes.append(int(item.size))

    try:
        with h5py.File(path) as file:
            file.visititems(add)
    except OSError:
        raise UserError(f"{path} is damaged: make it again with: {made_by}") from None
    return sum(sizes)
