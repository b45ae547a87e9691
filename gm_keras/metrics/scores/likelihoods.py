"""Likelihoods, exact, bounded or estimated, in nats; bits per dimension by one function."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gm_keras.metrics.evaluation import Evaluation, mean
from gm_keras.metrics.likelihood import bits_per_dim
from gm_keras.metrics.registry import score
from gm_keras.progress import progress

# Draws of the latents for each example in an importance-weighted estimate.
IMPORTANCE_SAMPLES = 64


def facts(model: Any) -> dict[str, Any] | None:
    """How the likelihood of a model is to be read; None for models without one.

    Returns:
        `kind`: "exact", "bound" (of log p(x), on average) or "estimate"; `of`: "discrete" data, a "table", a
        "density", or a "relaxed" Bernoulli; `given`: what the model is told of each example, such as "label", or None;
        `importance_samples`: the k of the importance-weighted estimate;
        `dequantization` and `binarization`: what was done to the data, or None.
    """
    dequantization = getattr(model, "dequantization", None)
    if "density" in model.capabilities:
        kind = "bound" if dequantization else "exact"
    elif "bound" in model.capabilities:
        kind = "bound"
    elif "energy" in model.capabilities:
        kind = "estimate"
    else:
        return None
    weighted = "bound" in model.capabilities and hasattr(model, "log_prob_estimate")
    return {
        "kind": kind,
        "of": model.nats_of,
        "given": " and ".join(model.conditions) or None,
        "importance_samples": IMPORTANCE_SAMPLES if weighted else None,
        "dequantization": dequantization,
        "binarization": "each pixel drawn as 0 or 1 with its brightness as probability"
        if getattr(model, "binarize", False)
        else None,
    }


def _bits(evaluation: Evaluation, nats: np.ndarray) -> dict[str, float]:
    model = evaluation.model
    if model.data_field == "tokens":
        # The first token of a window is given: the others are predicted.
        return mean("nats_per_token", nats / (model.data_shape[0] - 1))
    if model.nats_of != "discrete":
        return {}
    dimensions = int(np.prod(model.data_shape))
    return mean("bits_per_dim", np.array([bits_per_dim(value, dimensions) for value in nats]))


@score("density", subject="model")
def negative_log_likelihood(evaluation: Evaluation) -> dict[str, float]:
    """NLL in nats, and bits/dim for discrete data."""
    nats = -evaluation.over_examples(evaluation.model.log_prob)
    return {**mean("nll_nats", nats), **_bits(evaluation, nats)}


@score("bound", subject="model")
def negative_bound(evaluation: Evaluation) -> dict[str, float]:
    """ELBO in nats, its parts, bits/dim of the bound, and the importance-weighted NLL where there is one."""
    model = evaluation.model
    elbo = evaluation.over_examples(model.elbo)
    results = {**mean("elbo_nats", elbo), **mean("negative_elbo_nats", -elbo)}
    results.update(_bits(evaluation, -elbo))
    if hasattr(model, "bound_parts"):
        codes, reconstruction = evaluation.over_examples(model.bound_parts)
        results.update(mean("code_nll_nats", -codes))
        results.update(mean("reconstruction_nats", -reconstruction))
    if hasattr(model, "log_prob_estimate"):
        estimate, _ = evaluation.over_examples(
            model.log_prob_estimate, num_samples=IMPORTANCE_SAMPLES
        )
        results.update(mean("nll_estimate_nats", -estimate))
    return results


@score("codes", subject="model")
def code_use(evaluation: Evaluation) -> dict[str, float]:
    """Perplexity of the codes of the examples: how many are used, as if evenly.

    Its standard error is that of the entropy, by the delta method, with the codes of an example taken together.
    """
    model, size = evaluation.model, evaluation.model.num_codes

    def frequencies() -> Iterator[np.ndarray]:
        with progress(len(evaluation.examples), "codes of examples") as bar:
            for part in evaluation.examples.batches():
                codes = np.asarray(model.codes(part)).reshape(len(part), -1)
                yield np.stack([np.bincount(row, minlength=size) for row in codes])
                bar.update(len(part))

    counts = sum(rows.sum(axis=0) for rows in frequencies())
    shares = counts / counts.sum()
    surprise = -np.log(np.where(shares > 0.0, shares, 1.0))
    value = float(np.exp(shares @ surprise))
    # Once more, as the codes of all examples may be more than memory holds.
    of_example = [rows @ surprise / rows.sum(axis=1) for rows in frequencies()]
    error = mean("entropy", np.concatenate(of_example)).get("entropy_stderr", 0.0)
    return {"perplexity": value, "perplexity_stderr": value * error}


@score("energy", subject="model")
def annealed_likelihood(evaluation: Evaluation) -> dict[str, float]:
    """NLL with the partition function by annealed importance sampling, and that in both directions.

    Forward errs below log Z on average. Backward errs above it if the chains begin with exact samples of the
    machine, so that the two enclose it and with it the NLL; where these cannot be had (`RBM.log_partition`
    says when), it begins with the best that the forward run gives.
    """
    model, results = evaluation.model, {}
    for direction in ("forward", "reverse"):
        if direction not in evaluation.partitions:
            found = model.log_partition(seed=evaluation.seed, direction=direction)
            evaluation.partitions[direction] = tuple(map(float, found))
        name = f"log_partition_{direction}_nats"
        results[name], results[f"{name}_stderr"] = evaluation.partitions[direction]
    forward, error = evaluation.partitions["forward"]
    log_prob, _ = evaluation.over_examples(
        model.log_prob_estimate, log_partition=evaluation.partitions["forward"]
    )
    for name, shift, of_partition in (
        ("nll_estimate_nats", 0.0, error),
        (
            "nll_estimate_reverse_nats",
            evaluation.partitions["reverse"][0] - forward,
            evaluation.partitions["reverse"][1],
        ),
    ):
        results.update(mean(name, shift - log_prob))
        # The error of log Z is that of every example at once.
        own = results.get(f"{name}_stderr", 0.0)
        results[f"{name}_stderr"] = float(np.hypot(own, of_partition))
    return results
