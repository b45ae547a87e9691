"""How near images made from something are to the images that they should be."""

from collections.abc import Iterator

import numpy as np

from gm_keras.metrics import ms_ssim, psnr, ssim
from gm_keras.metrics.evaluation import Evaluation, mean
from gm_keras.metrics.examples import BATCH
from gm_keras.metrics.registry import score
from gm_keras.progress import progress


def _clipped(images: np.ndarray) -> np.ndarray:
    # What leaves the range of the data a little is shown, and measured, as its ends.
    return np.clip(np.asarray(images, "float64"), -1.0, 1.0)


def _similarities(
    pairs: Iterator[tuple[np.ndarray, np.ndarray]], n: int, prefix: str, evaluation: Evaluation
) -> dict[str, float]:
    columns: dict[str, list[np.ndarray]] = {"psnr": [], "ssim": [], "ms_ssim": []}
    with progress(n, "similarity of images") as bar:
        for made, wanted in pairs:
            made, wanted = _clipped(made), _clipped(wanted)
            for function, name in ((psnr, "psnr"), (ssim, "ssim"), (ms_ssim, "ms_ssim")):
                columns[name].append(function(made, wanted))
            bar.update(len(made))
    results = {}
    for name, values in columns.items():
        values = np.concatenate(values)
        if np.isfinite(values).all():
            results.update(mean(prefix + name, values))
        else:
            same = int(np.isinf(values).sum())
            evaluation.left_out[prefix + name] = (
                f"{same} of {len(values)} images are exact, which is an infinite ratio"
            )
    return results


@score("autoencoder", subject="model", fields={"image"})
def reconstruction(evaluation: Evaluation) -> dict[str, float]:
    """PSNR in decibels, SSIM and MS-SSIM of reconstructions with their originals."""
    model, examples = evaluation.model, evaluation.examples

    def pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        n = len(examples)
        for start in range(0, n, min(n, BATCH)):
            rows = np.arange(start, start + min(n, BATCH)) % n
            x = examples[rows]
            made = model.reconstruct(x, **examples.conditions(rows))
            yield np.asarray(made)[: n - start], x[: n - start]

    return _similarities(pairs(), len(examples), "reconstruction_", evaluation)


@score("translator", subject="pairs")
def translation_error(evaluation: Evaluation) -> dict[str, float]:
    """Mean absolute difference between translations and targets on a scale from 0 to 1, and their similarity."""
    samples, examples, differences = evaluation.samples, evaluation.examples, []

    def pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for start in range(0, len(samples), BATCH):
            made = np.asarray(samples[start : start + BATCH])
            wanted = examples[np.arange(start, start + len(made))]
            difference = 0.5 * np.abs(made - wanted)
            differences.append(difference.reshape(len(made), -1).mean(axis=1, dtype="float64"))
            yield made, wanted

    similarities = _similarities(pairs(), len(samples), "", evaluation)
    return {**mean("l1", np.concatenate(differences)), **similarities}
