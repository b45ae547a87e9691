"""How near samples are to real examples, and how varied: as sets, not one by one."""

from typing import Any

import numpy as np

from gm_keras.metrics import (
    authenticity,
    density_coverage,
    frechet_distance,
    inception_score,
    kernel_distance,
    mmd,
    mode_coverage,
    ms_ssim,
    precision_recall,
    sliced_wasserstein,
)
from gm_keras.metrics.evaluation import Evaluation, mean
from gm_keras.metrics.examples import BATCH
from gm_keras.metrics.registry import score
from gm_keras.metrics.spool import spool
from gm_keras.metrics.streams import read, release
from gm_keras.progress import progress

VECTORS = frozenset({"image", "target", "features", "audio"})
IMAGES = frozenset({"image", "target"})
# The scores of each kind of features: only those of the Inception network have the papers' names.
NAMES = {
    "inception": ("fid", "kid", "is"),
    "classifier": ("classifier_fid", "classifier_kid", "classifier_is"),
    "raw": ("raw_frechet_distance", "raw_kernel_distance", None),
}
# Parts of the samples over which the papers average the Inception score.
INCEPTION_SPLITS = 10


@score(subject="samples", fields=VECTORS)
def distances(evaluation: Evaluation) -> dict[str, float]:
    """Fréchet and kernel distance between real examples and samples, and the Inception score of the samples."""
    (real, _), (generated, probabilities) = evaluation.real, evaluation.generated
    kind = evaluation.extractor.kind
    frechet, kernel, inception = NAMES[kind]
    results = {
        **evaluation.attempt((frechet,), lambda: (frechet_distance(real, generated),)),
        **evaluation.attempt((kernel,), lambda: (kernel_distance(real, generated),)),
    }
    if probabilities is not None:
        splits = INCEPTION_SPLITS if kind == "inception" else 1
        results |= evaluation.attempt(
            (inception,), lambda: (inception_score(probabilities, splits),)
        )
    return results


@score(subject="samples", fields=VECTORS)
def manifolds(evaluation: Evaluation) -> dict[str, float]:
    """Precision, recall, density and coverage by nearest neighbours."""
    (real, _), (generated, _) = evaluation.real, evaluation.generated
    return {
        **evaluation.attempt(("precision", "recall"), lambda: precision_recall(real, generated)),
        **evaluation.attempt(("density", "coverage"), lambda: density_coverage(real, generated)),
    }


@score(subject="novelty", fields=VECTORS)
def memorization(evaluation: Evaluation) -> dict[str, float]:
    """Authenticity: the share of samples that are no near copies of training examples, by their values."""
    data, field = evaluation.data, evaluation.model.data_field
    train = data.arrays("train")[field]
    samples = evaluation.samples
    parts = (
        _stored(read(samples, start, start + BATCH, samples.dtype), data, field)
        for start in range(0, len(samples), BATCH)
    )
    generated = spool(parts, len(samples), evaluation.folder, "stored")
    flat = train.reshape(len(train), -1)
    return evaluation.attempt(("authenticity",), lambda: (authenticity(flat, generated),))


def _stored(x: np.ndarray, data: Any, field: str) -> np.ndarray:
    """Samples on the scale on which the training set is kept, as vectors `(n, d)`."""
    x = np.asarray(x, "float32").reshape(len(x), -1)
    if field in IMAGES:
        return (x + 1.0) * (0.5 * (data.levels_of(field) - 1))
    return x * np.float32(2**15) if field == "audio" else x


@score(subject="samples", fields=IMAGES)
def diversity(evaluation: Evaluation) -> dict[str, float]:
    """Mean MS-SSIM of random pairs of samples (Odena et al. 2017, arXiv 1610.09585): lower is more varied."""
    samples = evaluation.samples
    order = np.random.default_rng([evaluation.seed, len(samples)]).permutation(len(samples))
    half, values = len(order) // 2, []
    if half == 0:
        evaluation.left_out["ms_ssim_diversity"] = "needs at least 2 samples, there is 1"
        return {}
    with progress(half, "similarity of samples") as bar:
        for start in range(0, half, BATCH):
            stop = min(start + BATCH, half)
            first, second = (
                np.clip(samples[order[begin + start : begin + stop]], -1.0, 1.0)
                for begin in (0, half)
            )
            values.append(ms_ssim(first, second))
            release(samples)
            bar.update(stop - start)
    return mean("ms_ssim_diversity", np.concatenate(values))


@score(subject="samples", fields={"features"})
def point_distances(evaluation: Evaluation) -> dict[str, float]:
    """Maximum mean discrepancy and sliced Wasserstein distance of vectors."""
    (real, _), (generated, _) = evaluation.real, evaluation.generated
    return {
        **evaluation.attempt(("mmd",), lambda: (mmd(real, generated),)),
        **evaluation.attempt(
            ("sliced_wasserstein",),
            lambda: (sliced_wasserstein(real, generated, seed=evaluation.seed),),
        ),
    }


@score(subject="samples", fields={"features"})
def modes(evaluation: Evaluation) -> dict[str, float]:
    """Of data drawn around known centres: how many are found, and the share of samples near one."""
    mixture = evaluation.data.info.get("mixture")
    if mixture is None:
        return {}
    centres = np.asarray(mixture["centres"], "float64")
    deviation = np.asarray(mixture["deviation"], "float64")
    results = evaluation.attempt(
        ("modes", "high_quality"),
        lambda: mode_coverage(evaluation.generated[0], centres, deviation),
    )
    return {**results, "modes_total": float(len(centres))} if results else {}
