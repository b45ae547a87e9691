"""One run of MLflow, and what is written to it.

A training does not wait for its store: a thread writes to it, in order. It goes on when the store stops
answering: what could not be written is kept and written with a later epoch. Evaluation and export are short, and fail.
"""

import json
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.tracking import describing
from pipelines.tracking.scored import MOST_NUMBERS, Scored
from pipelines.tracking.store import unusable, without_password

if TYPE_CHECKING:
    from mlflow import MlflowClient

SECONDS_BETWEEN_ATTEMPTS = 60.0  # a store that hangs costs a training at most one attempt a minute
# A page of MLflow draws a chart for each metric, and its table has a column for each.
MOST_METRICS = 25
MOST_CURVES = MOST_METRICS - MOST_NUMBERS
SCORE = "test/"
TABLE = "scores.json"


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Joins the keys of nested dictionaries with dots; lists become JSON.

    Args:
        values: For example `{"model": {"units": [64, 64]}}`.
        prefix: Put before every key.

    Returns:
        For example `{"model.units": "[64, 64]"}`.
    """
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping) and value:
            flat |= flatten(value, f"{prefix}{key}.")
        else:
            nested = isinstance(value, list | tuple | Mapping)
            flat[f"{prefix}{key}"] = json.dumps(value, default=str) if nested else value
    return flat


class Run:
    """One run. As a context it is running, and then finished, failed or killed; within it nothing waits for the store.

    Attributes:
        run_id: What `run.json` keeps.
        client: MLflow's client.
        uri: Of the store.
    """

    def __init__(
        self,
        client: "MlflowClient",
        run_id: str,
        uri: str,
        patient: bool,
        continued: bool = False,
    ):
        self.client = client
        self.run_id = run_id
        self.uri = uri
        self._patient = patient
        # What a stage wrote that was then broken off is written again by the next, and must not be there twice.
        self._continued = continued
        self._waiting: list[Callable[[], Any]] = []
        self._not_before = 0.0
        self._writer: ThreadPoolExecutor | None = None
        self._names: dict[str, None] | None = None

    def __enter__(self) -> "Run":
        self._patient = True
        self._attempt(lambda: self.client.update_run(self.run_id, status="RUNNING"))
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="tracking")
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: Any) -> None:
        status = "FINISHED"
        if kind is not None:
            status = "FAILED" if issubclass(kind, Exception) else "KILLED"
        self._writer.shutdown()
        self._writer = None
        self._not_before = 0.0
        self._attempt(lambda: self.client.set_terminated(self.run_id, status=status))
        if self._waiting:
            self._tell(f"{len(self._waiting)} entries of run {self.run_id} were not written")

    def settle(self) -> None:
        """Returns when all that was given so far is written, or has been tried."""
        if self._writer is not None:
            self._writer.submit(lambda: None).result()

    def log_epoch(self, epoch: int, logs: Mapping[str, Any]) -> None:
        """Adds a point to each curve, up to `MOST_CURVES` of them.

        Args:
            epoch: Counted from 1.
            logs: Numbers by the names of the curves.
        """
        self._log_numbers(logs, step=epoch)

    def log_scores(self, scored: Scored, data: Path | None = None) -> None:
        """Records an evaluation: its numbers as metrics, all of it as a table, its headline in the description.

        Args:
            scored: The evaluation.
            data: The folder of the prepared data set.
        """
        self._log_numbers({SCORE + name: value for name, value in scored.numbers.items()}, step=0)
        self._attempt(lambda: self._write_table(scored.table))
        self._attempt(lambda: self._describe(data, scored.headline))

    def log_image(self, image: Any, key: str, step: int) -> None:
        """Adds a picture to a series.

        Args:
            image: A path, or an array `(height, width[, channels])` of uint8.
            key: The name of the series.
            step: The epoch, counted from 1.
        """
        from PIL import Image

        def write() -> None:
            if self._continued and self._has_image(key, step):
                return
            if isinstance(image, str | Path):
                with Image.open(image) as picture:
                    self.client.log_image(self.run_id, picture, key=key, step=step)
            else:
                self.client.log_image(self.run_id, image, key=key, step=step)

        self._attempt(write)

    def log_file(self, path: Path, folder: str | None = None) -> None:
        """Adds a file to the run's artifacts, in a folder of theirs."""
        self._attempt(lambda: self.client.log_artifact(self.run_id, str(path), folder))

    def set_tag(self, name: str, value: str) -> None:
        """Sets a tag of the run."""
        self._attempt(lambda: self.client.set_tag(self.run_id, name, value))

    def _log_numbers(self, numbers: Mapping[str, Any], step: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [
            Metric(name, float(value), now, step)
            for name, value in flatten(numbers).items()
            if hasattr(value, "__float__") and not isinstance(value, bool)
        ]

        def write() -> None:
            new = [
                each
                for each in metrics
                if self._has_room(each.key) and not (self._continued and self._has_point(each))
            ]
            self.client.log_batch(self.run_id, metrics=new)

        self._attempt(write)

    def _has_room(self, name: str) -> bool:
        """Whether a metric is among those of the run, or there is room for one more."""
        if self._names is None:
            stored = self.client.get_run(self.run_id).data.metrics if self._continued else {}
            self._names = dict.fromkeys(stored)
        if name not in self._names:
            curves = sum(not each.startswith(SCORE) for each in self._names)
            full = len(self._names) >= MOST_METRICS
            if full or (not name.startswith(SCORE) and curves >= MOST_CURVES):
                return False
            self._names[name] = None
        return True

    def _write_table(self, table: Mapping[str, list[Any]]) -> None:
        known = {each.path for each in self.client.list_artifacts(self.run_id)}
        if TABLE in known:
            # MLflow would add to the rows of an earlier evaluation.
            rows = [list(row) for row in zip(*table.values(), strict=True)]
            self.client.log_dict(self.run_id, {"columns": list(table), "data": rows}, TABLE)
        elif table:
            self.client.log_table(self.run_id, dict(table), TABLE)

    def _describe(self, data: Path | None, headline: str) -> None:
        tags = self.client.get_run(self.run_id).data.tags
        text = describing.renewed(
            tags.get(describing.NOTE), describing.description(tags, data, headline)
        )
        if text is not None:
            self.client.set_tag(self.run_id, describing.NOTE, text)

    def _has_point(self, metric: Any) -> bool:
        points = self.client.get_metric_history(self.run_id, metric.key)
        return any((each.step, each.value) == (metric.step, metric.value) for each in points)

    def _has_image(self, key: str, step: int) -> bool:
        start = f"images/{key}+step+{step}+"
        return any(
            each.path.startswith(start)
            for each in self.client.list_artifacts(self.run_id, "images")
        )

    def _attempt(self, write: Callable[[], Any]) -> None:
        if self._writer is None:
            self._write(write)
        else:
            self._writer.submit(self._write, write)

    def _write(self, write: Callable[[], Any]) -> None:
        self._waiting.append(write)
        if time.monotonic() < self._not_before:
            return
        try:
            while self._waiting:
                self._waiting[0]()
                self._waiting.pop(0)
        except Exception as error:  # of any kind: it must not end hours of training
            if not self._patient:
                raise unusable(self.uri, error) from None
            if not self._not_before:
                reason = " ".join(str(error).split())[:200]
                self._tell(f"{reason}; training goes on, and what is missing is written later")
            self._not_before = time.monotonic() + SECONDS_BETWEEN_ATTEMPTS
        else:
            self._not_before = 0.0

    def _tell(self, what: str) -> None:
        print(f"tracking: {without_password(self.uri)}: {what}", flush=True)
