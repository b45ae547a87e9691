"""What scores are computed from: a trained model, real examples, samples."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from gm_keras.metrics import TooFewSamples
from gm_keras.metrics.examples import BATCH, Examples
from gm_keras.metrics.features import Extractor, Measured
from gm_keras.metrics.spool import spool
from gm_keras.metrics.streams import read
from gm_keras.progress import progress
from gm_keras.telling import one_line, tell, with_kind


@dataclass
class Evaluation:
    """A trained model, the examples that it is measured on, and what was drawn from it.

    Attributes:
        model: A `GenerativeModel`.
        data: Prepared data.
        extractor: Gives the features in which samples are compared.
        samples: `(n, *shape of one example)` in the range of the training data, an array or a memory map;
            of a translator the translations of the first examples, in their order.
        seed: Of everything random.
        examples: The real examples: the test set, or as many of it as are asked for; by default all.
        limit: At most so many of the test set are compared with samples; None is all.
        folder: Where intermediate arrays go; None keeps them in memory.
        given: Features and probabilities of the samples, if they are known.
        left_out: Filled in: scores that could not be computed, and why.
        partitions: Filled in: log Z of an energy model by direction, with its standard error.
        measured: Filled in: features and probabilities of the test examples, where they are not kept.
        tell: Takes a line where a score cannot be computed for another reason than too few samples.
    """

    model: Any
    data: Any
    extractor: Extractor
    samples: np.ndarray | None
    seed: int
    examples: Examples | None = None
    folder: Path | None = None
    given: Measured | None = None
    limit: int | None = None
    left_out: dict[str, str] = field(default_factory=dict)
    partitions: dict[str, tuple[float, float]] = field(default_factory=dict)
    measured: dict[str, Measured] = field(default_factory=dict)
    tell: Callable[[str], None] = tell

    def __post_init__(self) -> None:
        if self.examples is None:
            self.examples = self.test

    @property
    def test(self) -> Examples:
        """The test examples that samples are compared with: the same ones whatever the seed."""
        return Examples(self.data, self.model, "test", self.limit)

    @property
    def labels(self) -> np.ndarray:
        """The classes of the real examples `(n,)`."""
        arrays = self.data.arrays(self.examples.split)
        if "label" not in arrays:
            raise ValueError(f'data set "{self.data.name}" has no labels')
        return np.asarray(arrays["label"][self.examples.rows])

    @property
    def real(self) -> Measured:
        """Features and probabilities of the test examples."""
        test, kept = self.test, self.extractor.kept
        if kept is not None and len(test) == len(kept["test"][0]):
            return kept["test"]
        if "test" not in self.measured:
            self.measured["test"] = (
                self._chosen(kept["test"], test.rows)
                if kept is not None
                else self.extractor.measure_all(test.batches(), len(test), self.folder, "test")
            )
        return self.measured["test"]

    def _chosen(self, kept: Measured, rows: np.ndarray) -> Measured:
        """Some rows of what is kept, on disk where that is."""
        places = range(0, len(rows), BATCH)
        return tuple(
            values
            if values is None
            else spool(
                (values[rows[at : at + BATCH]] for at in places),
                len(rows),
                self.folder,
                "test_some",
            )
            for values in kept
        )

    @cached_property
    def generated(self) -> Measured:
        """Features and probabilities of the samples."""
        if self.given is not None:
            return self.given
        samples = self.samples
        parts = (
            read(samples, start, start + BATCH, samples.dtype)
            for start in range(0, len(samples), BATCH)
        )
        return self.extractor.measure_all(parts, len(self.samples), self.folder, "generated")

    def over_examples(self, method: Callable, **options: Any) -> np.ndarray:
        """Calls a method of the model on all real examples, batch by batch.

        Args:
            method: `method(x, seed=, **conditions, **options)`.
            **options: Passed on.

        Returns:
            The results end to end: `(n,)`, or `(2, n)` for a method that returns two arrays.
        """
        import keras

        from gm_keras.ops.random import later_seed

        n, parts = len(self.examples), []
        size = min(n, BATCH)
        name = getattr(method, "__name__", "scores").strip("_")
        with progress(n, f"{name} of {self.examples.split} examples") as bar:
            for start in range(0, n, size):
                # The last batch is filled up, so that there is one shape to compile.
                rows = np.arange(start, start + size) % n
                told = self.examples.conditions(rows)
                seed = later_seed(self.seed, start)
                result = method(self.examples[rows], seed=seed, **told, **options)
                pair = result if isinstance(result, tuple) else (result,)
                parts.append(np.stack([keras.ops.convert_to_numpy(value) for value in pair]))
                bar.update(min(size, n - start))
        joined = np.concatenate(parts, axis=1)[:, :n].astype("float64")
        return joined if len(joined) > 1 else joined[0]

    def attempt(self, names: tuple[str, ...], compute: Callable[[], tuple]) -> dict[str, float]:
        """Computes scores that these data may not allow: there may be too few samples, or a class missing.

        Args:
            names: Of the scores.
            compute: Returns one number for each, which may have a `stderr`.

        Returns:
            The scores with their standard errors; nothing, and the reason in `left_out`, if they cannot be
            computed.
        """
        values: tuple = ()
        with self.leaving_out(*names):
            values = compute()
        if not values:
            return {}
        results = {}
        for name, value in zip(names, values, strict=True):
            results[name] = float(value)
            if getattr(value, "stderr", None) is not None:
                results[f"{name}_stderr"] = value.stderr
        return results

    @contextlib.contextmanager
    def leaving_out(self, *names: str) -> Iterator[None]:
        """Within this context what these data do not allow is no error: the reason is noted in `left_out`.

        Args:
            *names: What cannot be computed then.
        """
        try:
            yield
        except TooFewSamples as error:
            self.left_out.update(dict.fromkeys(names, one_line(error)))
        except (ValueError, ArithmeticError, IndexError) as error:
            # May be a mistake in the program as well: let it be seen.
            self.tell(f"{', '.join(names)}: left out: {with_kind(error)}")
            self.left_out.update(dict.fromkeys(names, one_line(error)))


def mean(name: str, values: np.ndarray) -> dict[str, float]:
    """A mean over independent values as a score with its standard error."""
    results = {name: float(values.mean())}
    if len(values) > 1:
        results[f"{name}_stderr"] = float(values.std(ddof=1) / np.sqrt(len(values)))
    return results
