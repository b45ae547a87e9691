"""The blocks of `params.yaml`: their keys, and the type and range of each value.

Upper bounds are far beyond what can work: they tell a slip of the hand from a large experiment.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from gm_keras import default_backend
from pipelines.settings.keys import NOTHING
from pipelines.shared.errors import UserError, nearest

BACKENDS = ("jax", "tensorflow", "torch")

LARGEST_SEED = 2**32 - 1

#: Of the test set at most so many are measured; a Fréchet distance needs more of them than there are features.
EXAMPLES = {"classifier": 2_000, "inception": 10_000}

Seed = Annotated[int, Field(ge=0, le=LARGEST_SEED)]
Epochs = Annotated[int, Field(ge=1, le=1_000_000)]
Text = Annotated[str, Field(min_length=1)]
Names = Annotated[list[Text], Field(min_length=1)]


class _Block(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class TrackingSettings(_Block):
    """Where MLflow keeps the runs."""

    uri: Text = "sqlite:///mlflow.db"
    experiment: Text = "gm_keras"


class DataSettings(_Block):
    """One data set: its source, and how it is split.

    Attributes:
        background: Of images in a folder: what shows where they are transparent.
        columns: Of a table: only these.
        drop: Of a table: not these.
        label: Of a table: the column that systems may be told, and that is not modelled.
        categories: Of a table: columns of numbers that are codes.
        missing: Of a table: what is done with missing values.
        codes: Of a table: how categories become features.
        numbers: Of a table: how numbers do.
    """

    source: Literal["tfds", "folder", "table"] = "tfds"
    path: Text | None = None
    validation: float = Field(0.1, gt=0.0, lt=0.5)
    test: float = Field(0.1, gt=0.0, lt=0.5)
    seed: Seed = 0
    image_size: int | None = Field(None, ge=1, le=8192)
    pairs: Literal["edges", "side_by_side", "folders"] | None = None
    level: Literal["characters", "bytes"] = "characters"
    length: int | None = Field(None, ge=1, le=100_000_000)
    renumber: bool = False
    background: Literal["white", "black"] = "white"
    columns: Names | None = None
    drop: Names = []
    label: Text | None = None
    categories: Names = []
    missing: Literal["refuse", "impute"] = "refuse"
    codes: Literal["one_hot", "binary"] = "one_hot"
    numbers: Literal["standard", "quantile"] = "standard"


class CheckpointSettings(_Block):
    """How often a training writes down where it stands; with both, whichever comes first."""

    steps: int | None = Field(None, ge=1, le=1_000_000_000)
    minutes: float | None = Field(None, gt=0.0, le=1_000_000.0)

    @model_validator(mode="after")
    def _any(self) -> "CheckpointSettings":
        if self.steps is None and self.minutes is None:
            raise ValueError("give steps, minutes or both")
        return self


class FitSettings(_Block):
    """How long a system trains, and on how much at a time.

    Attributes:
        epochs: How many; left out where there are `stages`.
        stages: The epochs of each stage of a model that is trained in several, in their order.
        batch_size: Examples for one update.
        steps_per_epoch: An epoch is so many steps instead of a pass over the data.
        steps_per_execution: Steps in one call of the device; by default what suits the backend.
        fresh_batches: Each repeat of a phase takes a batch of its own.
        grids: How many pictures are made while it trains.
        precision: What the networks compute in; weights and likelihoods stay in float32.
        checkpoint_every: Instead of that of the whole file.
        labels: So many training examples have a label, as evenly over the classes as possible, drawn with the seed of
            the training; for a system that learns from the others without. By default all have theirs.
        seed: Of this training instead of that of the whole file: of the weights, the order of the examples and the
            noise. Its samples have that of the file, as those of the others.
    """

    epochs: Epochs | None = None
    stages: dict[str, Epochs] | None = Field(None, min_length=1)
    batch_size: int = Field(ge=1, le=1_000_000)
    steps_per_epoch: int | None = Field(None, ge=1, le=100_000_000)
    steps_per_execution: int | None = Field(None, ge=1, le=10_000)
    fresh_batches: bool = False
    grids: int = Field(8, ge=1, le=10_000)
    precision: Literal["float32", "bfloat16"] = "float32"
    checkpoint_every: CheckpointSettings | None = None
    labels: int | None = Field(None, ge=1, le=1_000_000_000)
    seed: Seed | None = None

    @model_validator(mode="after")
    def _one_length(self) -> "FitSettings":
        if (self.epochs is None) == (self.stages is None):
            raise ValueError("give either epochs or stages")
        return self

    @property
    def total_epochs(self) -> int:
        """The epochs of all stages."""
        return self.epochs or sum(self.stages.values())


class EvaluateSettings(_Block):
    """How a system is measured.

    Attributes:
        samples: How many are drawn.
        seeds: How often; the scores are averages.
        examples: Of the test set at most so many are measured, drawn once for all; by default `EXAMPLES`.
    """

    samples: int = Field(1000, ge=1, le=10_000_000)
    seeds: int = Field(1, ge=1, le=1000)
    examples: int | None = Field(None, ge=1, le=10_000_000)


class MetricsSettings(_Block):
    """What samples are compared in.

    Attributes:
        extractor: "classifier" is trained on the data set, "inception" is the network that papers use.
        weights: The file with the weights of the Inception network, if not where it is looked for.
    """

    extractor: Literal["classifier", "inception"] = "classifier"
    weights: Text | None = None

    def weights_file(self, root: Path) -> Path | None:
        """Where the weights are, as seen from the folder of the project; None if that is not said."""
        return root / Path(self.weights).expanduser() if self.weights else None


class SystemSettings(_Block):
    """One system that this checkout trains."""

    class_name: str = Field(alias="class")
    data: str
    uses: str = NOTHING
    model: dict[str, Any]
    optimizers: dict[str, dict[str, Any]]
    fit: FitSettings
    sample: dict[str, Any]
    evaluate: EvaluateSettings


class Settings(_Block):
    """The whole of `params.yaml`."""

    backend: Literal["jax", "tensorflow", "torch"] = "jax"
    seed: Seed = 0
    tracking: TrackingSettings = TrackingSettings()
    checkpoint_every: CheckpointSettings = CheckpointSettings(minutes=2.0)
    metrics: MetricsSettings = MetricsSettings()
    data: dict[str, DataSettings]
    systems: dict[str, SystemSettings]

    def system(self, key: str) -> SystemSettings:
        """The settings of one system; a `UserError` where there is none of that key."""
        if key not in self.systems:
            raise UserError(
                f'params.yaml has no system "{key}": {nearest(key, list(self.systems))}. '
                "Add one with: gm-keras add NAME"
            )
        return self.systems[key]

    def training_seed(self, key: str) -> int:
        """The seed of a system's training."""
        own = self.system(key).fit.seed
        return self.seed if own is None else own

    def examples(self, key: str) -> int:
        """How many examples of the test set a system is measured on at most."""
        return self.system(key).evaluate.examples or EXAMPLES[self.metrics.extractor]

    def choose_backend(self) -> str:
        """Sets `KERAS_BACKEND` before Keras is imported; what the environment says wins.

        Returns:
            The backend's name.

        Raises:
            UserError: There is no such backend.
            MissingExtraError: It is not installed.
        """
        named_by = "KERAS_BACKEND" if "KERAS_BACKEND" in os.environ else "params.yaml: backend"
        backend = os.environ.get("KERAS_BACKEND", self.backend)
        if backend not in BACKENDS:
            raise UserError(
                f'KERAS_BACKEND is "{backend}" in the environment; expected one of {", ".join(BACKENDS)}'
            )
        default_backend.check(backend, named_by)
        os.environ["KERAS_BACKEND"] = backend
        return backend
