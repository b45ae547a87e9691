"""Which scores a model gets: by what it offers, never by its name.

Each score is a function of an `Evaluation`; it returns the entries of `metrics.json` that it fills in.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from gm_keras.metrics.distances import frechet_distance
from gm_keras.metrics.features import Extractor
from gm_keras.metrics.likelihood import bits_per_dim
from gm_keras.metrics.manifold import precision_recall

BATCH = 256
# Draws of the latents for each test example in an importance-weighted estimate.
IMPORTANCE_SAMPLES = 64


@dataclass
class Evaluation:
    """A trained model, the test split, and what was drawn from the model.

    Attributes:
        model: A `GenerativeModel`.
        data: Prepared data.
        extractor: Gives the features in which samples are compared.
        samples: `(n, *shape of one example)` in the range of the training data; of a translator the
            translations of the test examples, in their order.
        seed: Of everything random.
    """

    model: Any
    data: Any
    extractor: Extractor
    samples: np.ndarray
    seed: int

    @cached_property
    def test(self) -> np.ndarray:
        """The test examples, scaled as in training."""
        if self.data.stream:
            return self.data.windows("test", self.model.data_shape[0])
        return self.data.scaled("test", self.model.data_field)

    @cached_property
    def labels(self) -> np.ndarray | None:
        """The test labels, for models that need them."""
        if "conditional" not in self.model.capabilities:
            return None
        return np.asarray(self.data.arrays("test")["label"])

    @cached_property
    def features(self) -> tuple[np.ndarray, np.ndarray]:
        """Features of the test examples and of the samples."""
        return self.extractor(self.test), self.extractor(self.samples)

    def over_test(self, method: Callable, **options: Any) -> np.ndarray:
        """Calls a method of the model on the test set, batch by batch.

        Returns:
            The results end to end: `(n,)`, or `(2, n)` for a method that returns two arrays.
        """
        import keras

        n, parts = len(self.test), []
        size = min(n, BATCH)
        for start in range(0, n, size):
            # The last batch is filled up, so that there is one shape to compile.
            rows = np.arange(start, start + size) % n
            label = None if self.labels is None else self.labels[rows]
            result = method(self.test[rows], label=label, seed=self.seed + start, **options)
            pair = result if isinstance(result, tuple) else (result,)
            parts.append(np.stack([keras.ops.convert_to_numpy(value) for value in pair]))
        joined = np.concatenate(parts, axis=1)[:, :n].astype("float64")
        return joined if len(joined) > 1 else joined[0]


SCORES: list[tuple[str | None, Callable[[Evaluation], dict[str, float]]]] = []


def score(capability: str | None = None) -> Callable:
    """Registers a score for models with a capability; None is for every model that can be sampled."""

    def register(function: Callable[[Evaluation], dict[str, float]]) -> Callable:
        SCORES.append((capability, function))
        return function

    return register


def evaluate(evaluation: Evaluation) -> dict[str, float]:
    """Computes every score that the model's capabilities allow."""
    results: dict[str, float] = {}
    for capability, function in SCORES:
        if capability is None or capability in evaluation.model.capabilities:
            results.update(function(evaluation))
    if not results:
        raise ValueError(f"no score is known for what it offers: {sorted(evaluation.model.offers)}")
    return results


def primary(results: dict[str, float]) -> dict[str, Any]:
    """The one score by which two trainings of a system are compared; lower is better for each of them."""
    order = (
        "nll_nats",
        "negative_elbo_nats",
        "nll_estimate_nats",
        "l1",
        "classifier_fid",
        "raw_frechet_distance",
    )
    name = next(name for name in order if name in results)
    return {"name": name, "value": results[name], "better": "lower"}


def _mean(name: str, values: np.ndarray) -> dict[str, float]:
    return {
        name: float(values.mean()),
        f"{name}_stderr": float(values.std(ddof=1) / np.sqrt(len(values))),
    }


def _bits(evaluation: Evaluation, nats: np.ndarray) -> dict[str, float]:
    if evaluation.model.data_field == "tokens":
        # The first token of a window is given: the others are predicted.
        predicted = evaluation.test.shape[1] - 1
        return _mean("nats_per_token", nats / predicted)
    if evaluation.model.nats_of != "discrete":
        return {}
    dimensions = int(np.prod(evaluation.model.data_shape))
    return _mean("bits_per_dim", np.array([bits_per_dim(value, dimensions) for value in nats]))


@score("density")
def negative_log_likelihood(evaluation: Evaluation) -> dict[str, float]:
    """Test NLL in nats, and bits/dim for discrete data."""
    nats = -evaluation.over_test(evaluation.model.log_prob)
    return {**_mean("nll_nats", nats), **_bits(evaluation, nats)}


@score("bound")
def negative_bound(evaluation: Evaluation) -> dict[str, float]:
    """Test ELBO in nats, its parts, bits/dim of the bound, and the importance-weighted NLL where there is one."""
    model = evaluation.model
    elbo = evaluation.over_test(model.elbo)
    results = {**_mean("elbo_nats", elbo), "negative_elbo_nats": float(-elbo.mean())}
    results.update(_bits(evaluation, -elbo))
    if hasattr(model, "bound_parts"):
        codes, reconstruction = evaluation.over_test(model.bound_parts)
        results.update(_mean("code_nll_nats", -codes))
        results.update(_mean("reconstruction_nats", -reconstruction))
    if hasattr(model, "log_prob_estimate"):
        estimate, _ = evaluation.over_test(model.log_prob_estimate, num_samples=IMPORTANCE_SAMPLES)
        results.update(_mean("nll_estimate_nats", -estimate))
    return results


@score("codes")
def code_use(evaluation: Evaluation) -> dict[str, float]:
    """Perplexity of the codes of the test set: how many are used, as if evenly."""
    codes = [
        np.asarray(evaluation.model.codes(evaluation.test[start : start + BATCH])).ravel()
        for start in range(0, len(evaluation.test), BATCH)
    ]
    shares = np.bincount(np.concatenate(codes)) / sum(map(len, codes))
    used = shares[shares > 0.0]
    return {"perplexity": float(np.exp(-np.sum(used * np.log(used))))}


@score("energy")
def annealed_likelihood(evaluation: Evaluation) -> dict[str, float]:
    """Test NLL with the partition function by annealed importance sampling, and that in both directions.

    Forward errs below log Z on average and backward above, so that the two enclose it.
    """
    model, results, partitions = evaluation.model, {}, {}
    for direction in ("forward", "reverse"):
        name = f"log_partition_{direction}_nats"
        partitions[direction] = model.log_partition(seed=evaluation.seed, direction=direction)
        results[name], results[f"{name}_stderr"] = map(float, partitions[direction])
    log_prob, error = model.log_prob_estimate(
        evaluation.test, seed=evaluation.seed, log_partition=partitions["forward"]
    )
    nats = _mean("nll_estimate_nats", -np.asarray(log_prob, "float64"))
    # The error of log Z is that of every example at once.
    nats["nll_estimate_nats_stderr"] = float(
        np.hypot(nats["nll_estimate_nats_stderr"], np.mean(np.asarray(error)))
    )
    return {**results, **nats}


@score("translator")
def translation_error(evaluation: Evaluation) -> dict[str, float]:
    """Mean absolute difference between translations and targets, on a scale from 0 to 1."""
    targets = evaluation.test[: len(evaluation.samples)]
    difference = 0.5 * np.abs(evaluation.samples - targets)
    return _mean("l1", difference.reshape(len(targets), -1).mean(axis=1, dtype="float64"))


@score()
def sample_quality(evaluation: Evaluation) -> dict[str, float]:
    """Fréchet distance, precision and recall between the test set and the samples; not of tokens."""
    if evaluation.model.data_field == "tokens":
        return {}
    real, generated = evaluation.features
    name = "classifier_fid" if evaluation.extractor.kind == "classifier" else "raw_frechet_distance"
    precision, recall = precision_recall(real, generated)
    return {
        name: frechet_distance(real, generated),
        "precision": precision,
        "recall": recall,
    }
