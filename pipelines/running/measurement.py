"""What the stage `evaluate` finds out about one trained model. Imports Keras where it must."""

import hashlib
import json
import math
import time
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.running import sounds
from pipelines.settings import Settings
from pipelines.shared.errors import UserError

# Significant digits that are written: finer than any standard error, coarser than the noise of threads.
DIGITS = 6
# Passages of a text model that the report shows.
TEXTS = 4


class Measurement:
    """The samples, scores and pictures of one model.

    Args:
        key: Of its system in `params.yaml`.
        settings: Of the project.
        root: The folder of the project.
        model: A trained `GenerativeModel`.
        work: An empty folder for what does not fit into memory.

    Attributes:
        examples: The test examples that it is measured on.
        picture: Samples as a picture `(height, width, 3)`, uint8.
        speed: Samples a second, compiling aside.
        of_seeds: The scores for each seed.
        no_picture: Why `picture` shows no samples; None if it does.

    Raises:
        UserError: The model does not fit the data, or the settings ask for what cannot be.
    """

    def __init__(self, key: str, settings: Settings, root: Path, model: Any, work: Path):
        from gm_keras.callbacks.grids import draw_or_explain
        from gm_keras.metrics.examples import Examples
        from gm_keras.metrics.features import load_extractor
        from pipelines.running.build import prepared

        self.key, self.settings, self.model, self.work = key, settings, model, work
        self.system = settings.system(key)
        self.data = prepared(self.system.data, settings, root)
        self._check_model()
        self.data_checksum = self._checksum()
        try:
            self.extractor = load_extractor(
                self.data,
                root / "extractors" / self.system.data,
                settings.metrics.weights_file(root),
            )
        except ValueError as error:
            raise UserError(
                f"{error}: make it again with: dvc repro -f extractor@{self.system.data}"
            ) from None
        self.examples = Examples(self.data, model, "test", settings.examples(key))
        self._check_counts()
        self.of_seeds: dict[str, dict[str, float]] = {}
        try:
            # It compiles what is timed later: samples are drawn in parts of the picture's size.
            self.picture, self.no_picture = draw_or_explain(
                model, self.data, settings.seed, self.system.sample, self._tell
            )
            started = time.perf_counter()
            self.samples = self._samples(settings.seed)
            self.speed = len(self.samples) / (time.perf_counter() - started)
        except (TypeError, ValueError) as error:
            raise UserError(f"params.yaml: systems.{key}.sample: {error}") from None

    def _tell(self, line: str) -> None:
        from gm_keras.telling import tell

        tell(f"{self.key}: {line}")

    @property
    def texts(self) -> list[str]:
        """Samples of a model of text; none of others."""
        if not hasattr(self.model, "decode_text"):
            return []
        return [self.model.decode_text(row) for row in self.samples[:TEXTS]]

    @property
    def by_themselves(self) -> dict[str, list[str]]:
        """The content of `samples.json`: what a page shows beside the picture."""
        field, info = self.model.data_field, self.data.info
        return {"texts": self.texts, "sounds": sounds.addresses(field, self.samples, info)}

    @cached_property
    def evaluation(self) -> Any:
        """What the scores of the first seed are computed from."""
        return self._evaluation(self.settings.seed, self.samples)

    def metrics(self) -> dict[str, Any]:
        """The content of `scores.json`: scores, averaged over the seeds, and their circumstances."""
        from gm_keras.metrics import registry
        from gm_keras.metrics.examples import Examples, UnreadableError
        from gm_keras.metrics.scores.likelihoods import facts

        first, seeds = self.settings.seed, self.system.evaluate.seeds
        left_out: dict[str, str] = {}
        for seed in range(first, first + seeds):
            evaluation = self.evaluation
            if seed != first:
                evaluation = self._evaluation(seed, self._samples(seed))
            try:
                found = registry.evaluate(evaluation)
            except (ValueError, UnreadableError) as error:
                raise UserError(f"{self.key} cannot be measured: {error}") from None
            self.of_seeds[str(seed)], left = _rounded(found)
            for name, reason in {**evaluation.left_out, **left}.items():
                left_out[name] = reason if seeds == 1 else f"with seed {seed}: {reason}"
        # Where a seed lacks a score, an average over the others would be one of other samples.
        common = set.intersection(*(set(row) for row in self.of_seeds.values()))
        whole = [
            {
                name: value
                for name, value in row.items()
                if name in common and name.removesuffix("_stderr") not in left_out
            }
            for row in self.of_seeds.values()
        ]
        results, _ = _rounded(_average(whole))
        try:
            primary = registry.primary(results)
        except ValueError as error:
            # It can be used and looked at all the same.
            primary, left_out["primary"] = None, str(error)
        return {
            **results,
            **self._similarity_facts(results),
            "primary": primary,
            "data": self.system.data,
            "data_checksum": self.data_checksum,
            "split": "test",
            "real": len(self.examples),
            "real_of": len(Examples(self.data, self.model)),
            "generated": len(self.samples),
            "seed": first,
            "seeds": seeds,
            "likelihood": facts(self.model),
            "left_out": left_out,
            "extractor": {
                "kind": self.extractor.kind,
                "name": self.extractor.name,
                "features": self.extractor.features,
                "accuracy": self.extractor.accuracy,
                "sha256": self.extractor.sha256,
            },
        }

    def calibration(self) -> dict[str, Any]:
        """The content of `calibration.json`: the scores of real examples, and of noise or no training."""
        from gm_keras.metrics.calibration import calibrate
        from gm_keras.metrics.examples import UnreadableError

        translate = None
        if "translator" in self.model.capabilities:

            def translate(rows: np.ndarray) -> np.ndarray:
                return self._translations(rows, self.settings.seed)

        try:
            rows = calibrate(self.evaluation, translate)
        except (ValueError, UnreadableError) as error:
            raise UserError(
                f"{self.key}: the scores of real data and of noise cannot be measured: {error}"
            ) from None
        return {
            name: _rounded(row)[0] if isinstance(row, dict) else row for name, row in rows.items()
        }

    def columns(self) -> list[dict[str, Any]]:
        """The content of `columns.json`: each column of a table by itself; empty for other data."""
        from dataclasses import asdict

        from gm_keras.metrics.examples import Examples
        from gm_keras.metrics.tables import column_scores

        table = self.data.columns
        if table is None:
            return []
        real = table.decode(Examples(self.data, self.model)[:])
        seen = Examples(self.data, self.model, "train", len(self.samples), self.settings.seed)
        floor = column_scores(table, real, table.decode(seen[:]))
        made = column_scores(table, real, table.decode(self.samples))
        return [
            _rounded_column(
                {**asdict(each), "floor": known.distance, "wasserstein_floor": known.wasserstein}
            )
            for each, known in zip(made, floor, strict=True)
        ]

    def pictures(self, folder: Path) -> list[dict[str, str]]:
        """Writes what the model's latents, samples and reconstructions look like.

        Returns:
            For each picture, in the order in which they are shown: file, title, caption, alt; for one that
            could not be drawn: title and, as `left_out`, why.
        """
        from gm_keras.exploration import write_pictures

        why = self.no_picture
        left_out = [] if why is None else [{"title": "Samples", "left_out": why}]
        return left_out + write_pictures(
            self.model,
            self.data,
            extractor=self.extractor,
            samples=self.samples,
            seed=self.settings.seed,
            options=self.system.sample,
            folder=folder,
            tell=self._tell,
        )

    def _check_model(self) -> None:
        model, data = self.model, self.data
        shape = model.data_shape if data.stream else data.example_shape
        if model.data_shape != shape or model.data_field != data.primary:
            raise UserError(
                f"{self.key} was trained on examples of shape {model.data_shape}, but "
                f'"{self.system.data}" has {shape}: train it again with: dvc repro train@{self.key}'
            )

    def _check_counts(self) -> None:
        features, asked = self.extractor.features or 0, self.system.evaluate
        if features >= self.data.size("test") or self.model.data_field == "tokens":
            return
        examples = self.settings.examples(self.key)
        for name, number in (("samples", asked.samples), ("examples", examples)):
            if number <= features:
                raise UserError(
                    f"params.yaml: systems.{self.key}.evaluate.{name} is {number}: the Fréchet distance of "
                    f"{features} features needs at least {features + 1}"
                )

    def _evaluation(self, seed: int, samples: np.ndarray) -> Any:
        import gm_keras.metrics.scores  # noqa: F401 (registers them)
        from gm_keras.metrics.evaluation import Evaluation

        return Evaluation(
            self.model,
            self.data,
            self.extractor,
            samples,
            seed,
            limit=self.settings.examples(self.key),
            folder=self.work,
            tell=self._tell,
        )

    def _samples(self, seed: int) -> np.ndarray:
        from gm_keras.metrics.spool import spool

        count = self.system.evaluate.samples
        if "translator" in self.model.capabilities:
            count = min(count, len(self.examples))
        return spool(self._parts(count, seed), count, self.work, "samples")

    def _parts(self, count: int, seed: int) -> Iterator[np.ndarray]:
        """Draws so many samples; of a translator: the translations of so many test examples."""
        from gm_keras.callbacks.grids import picture_size
        from gm_keras.progress import progress

        size = picture_size(self.model)
        with progress(count, f"samples of {self.key}") as bar:
            for start in range(0, count, size):
                # The last part is filled up, so that there is one shape to compile.
                part = self._part(start, size, seed)[: count - start]
                if not np.isfinite(part).all():
                    raise UserError(
                        f"the samples of {self.key} are not all numbers: train it again, with a lower "
                        "learning rate"
                    )
                bar.update(len(part))
                yield part

    def _part(self, start: int, size: int, seed: int) -> np.ndarray:
        from gm_keras.ops.random import later_seed

        # What the model is told is that of the test examples in their order: classes as often as there.
        rows = self.examples.rows[np.arange(start, start + size) % len(self.examples)]
        return self._told("test", rows, later_seed(seed, 7919 * start))

    def _told(self, split: str, rows: np.ndarray, seed: int) -> np.ndarray:
        """A sample for each of some examples, told of it what the model is told."""
        from gm_keras.metrics.examples import conditions_of

        told = conditions_of(self.model, self.data, split, rows)
        return self.model.sample(len(rows), seed=seed, **told, **self.system.sample)

    def _translations(self, rows: np.ndarray, seed: int) -> np.ndarray:
        """Translations of the sources of some training examples."""
        from gm_keras.callbacks.grids import picture_size
        from gm_keras.ops.random import later_seed

        size, made = picture_size(self.model), []
        for start in range(0, len(rows), size):
            # The last part is filled up, so that there is one shape to compile.
            part = np.resize(rows[start : start + size], size)
            made.append(self._told("train", part, later_seed(seed, start)))
        return np.concatenate(made)[: len(rows)]

    def _similarity_facts(self, results: dict[str, float]) -> dict[str, int]:
        from gm_keras.metrics import ms_ssim_setting

        if not any("ms_ssim" in name for name in results):
            return {}
        scales, window = ms_ssim_setting(*self.model.data_shape[:2])
        return {"ms_ssim_scales": scales, "ms_ssim_window": window}

    def _checksum(self) -> str:
        known = self.data.info.get("checksums")
        if not isinstance(known, dict):
            name = self.system.data
            raise UserError(
                f"{self.data.path / 'dataset.json'} lacks the checksums of its files: "
                f"prepare it again with: dvc repro -f prepare@{name}"
            )
        checksums = {name: sha for name, sha in known.items() if name.startswith("test_")}
        return hashlib.sha256(json.dumps(checksums, sort_keys=True).encode()).hexdigest()


def _rounded(scores: dict[str, float]) -> tuple[dict[str, float], dict[str, str]]:
    """Scores with a few significant digits, and for those that are no numbers why they are left out."""
    wrong = {
        name.removesuffix("_stderr"): f"it is {value}, which is no finite number"
        for name, value in scores.items()
        if not math.isfinite(value)
    }
    kept = {
        name: float(f"{value:.{DIGITS}g}")
        for name, value in scores.items()
        if name.removesuffix("_stderr") not in wrong
    }
    return kept, wrong


def _rounded_column(content: dict[str, Any]) -> dict[str, Any]:
    return {
        name: float(f"{value:.{DIGITS}g}") if isinstance(value, float) else value
        for name, value in content.items()
    }


def _average(rows: list[dict[str, float]]) -> dict[str, float]:
    """Averages over seeds.

    The standard error stays that of one seed (the root of the mean square): all seeds share their test
    examples, whose part in the error no number of seeds makes smaller.
    """
    results = {}
    for name in rows[0]:
        values = [row[name] for row in rows if name in row]
        if name.endswith("_stderr"):
            results[name] = math.sqrt(sum(value**2 for value in values) / len(values))
        else:
            results[name] = math.fsum(values) / len(values)
    return results
