"""What the stages write for each other as JSON: its shape, read and checked in one place.

Nothing here imports Keras.
"""

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from pipelines.shared import scores
from pipelines.shared.errors import UserError
from pipelines.shared.files import read_json

#: JSON has whole numbers, texts and so on, and is to be taken at its word; 1e999 is a number of JSON.
STRICT = ConfigDict(strict=True, allow_inf_nan=False)
#: `seeds.json`: the scores of each seed.
SEEDS = dict[str, dict[str, float]]
PICTURE = re.compile(r"[\w-]+\.png", re.ASCII)


class _Written(BaseModel):
    model_config = ConfigDict(extra="allow", frozen=True, **STRICT)


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
        given: What the model was told of each example, such as "label"; None for nothing.
        of: What it is the likelihood of: "discrete" data, a "table", a "density", or a "relaxed" Bernoulli.
    """

    kind: str
    importance_samples: int | None = None
    dequantization: str | None = None
    binarization: str | None = None
    of: str | None = None
    given: str | None = None


class Primary(_Written):
    """The score by which trainings of a system are compared."""

    name: str
    value: float


class Metrics(_Written):
    """`scores.json`: the circumstances by name, the scores among `everything`."""

    data: str
    split: str
    real: int
    generated: int
    seed: int
    extractor: Extractor
    seeds: int = 1
    real_of: int | None = None
    data_checksum: str | None = None
    primary: Primary | None = None
    likelihood: Likelihood | None = None
    left_out: dict[str, str] = {}
    ms_ssim_scales: int | None = None
    ms_ssim_window: int | None = None

    @model_validator(mode="after")
    def _scores_are_numbers(self) -> "Metrics":
        for name, value in self.everything.items():
            known = name.endswith("_stderr") or name in scores.SCORES
            if known and value is not None and scores.value_of(self.everything, name) is None:
                raise ValueError(f"{name} should be a finite number")
        return self

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


class Column(_Written):
    """One entry of `columns.json`: a column of a table, samples against test examples.

    Attributes:
        name: In the header.
        kind: "number" or "category".
        distance: Kolmogorov-Smirnov distance of numbers, total variation of categories.
        floor: That of training examples.
        wasserstein: Of numbers, in deviations.
        wasserstein_floor: That of training examples.
        bars: What the heights are of.
        real: The share of test examples in each.
        made: The share of samples.
    """

    name: str
    kind: str
    distance: float
    floor: float
    bars: list[str]
    real: list[float]
    made: list[float]
    wasserstein: float | None = None
    wasserstein_floor: float | None = None

    @model_validator(mode="after")
    def _has_as_many_heights(self) -> "Column":
        if not len(self.bars) == len(self.real) == len(self.made):
            raise ValueError("there is not one height for each bar")
        return self


class Training(_Written):
    """`run.json`: who trained it, where and how long, as far as it was written down.

    Attributes:
        table: The columns that its features stand for, as they were in training; None for other data.
    """

    run_id: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,255}$")
    backend: str | None = None
    device: str | None = None
    training_seconds: float | None = None
    git_revision: str | None = None
    git_dirty: bool | None = None
    git_changes: list[str] | None = None
    experiment: str | None = None
    experiment_baseline: str | None = None
    machine: str | None = None
    table: dict[str, Any] | None = None


class Timing(_Written):
    """`timing.json`: how fast samples were drawn, and when."""

    samples_per_second: float
    finished: str
    backend: str
    device: str


class Picture(_Written):
    """One entry of `pictures.json`: a picture, or why there is none."""

    title: str
    file: str = ""
    caption: str = ""
    alt: str = ""
    left_out: str | None = None

    @model_validator(mode="after")
    def _is_there_or_explained(self) -> "Picture":
        if self.left_out is None and not (self.alt and PICTURE.fullmatch(self.file)):
            raise ValueError("a picture needs a file with the ending .png, and alt")
        return self


def read(path: Path, shape: Any, made_by: str) -> Any:
    """Reads a file that a stage wrote.

    Args:
        path: The file.
        shape: What it holds: one of the classes here, or a type such as `dict[str, float]`.
        made_by: The command that makes it, for the error.

    Returns:
        Its content in that shape.

    Raises:
        UserError: One line: it is missing, damaged or something else, and how to make it again.
    """
    return _checked(path, shape, made_by)[1]


def read_plain(path: Path, shape: Any, made_by: str) -> Any:
    """As `read`, but returns the content as it stands there."""
    return _checked(path, shape, made_by)[0]


def _checked(path: Path, shape: Any, made_by: str) -> tuple[Any, Any]:
    adapter = _adapter(shape)
    kind = list if getattr(shape, "__origin__", shape) is list else dict
    content = read_json(path, made_by, kind)
    try:
        return content, adapter.validate_python(content)
    except ValidationError as error:
        problem = error.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        reason = problem["msg"].removeprefix("Value error, ")
        reason = reason[0].lower() + reason[1:]
    except RecursionError:
        where, reason = "", "it is nested too deep"
    raise UserError(
        f"{path} is not what the stage writes ({f'{where[:100]}: ' if where else ''}{reason}): "
        f"make it again with: {made_by}"
    )


def _adapter(shape: Any) -> TypeAdapter:
    if isinstance(shape, type) and issubclass(shape, BaseModel):
        return TypeAdapter(shape)
    return TypeAdapter(shape, config=STRICT)
