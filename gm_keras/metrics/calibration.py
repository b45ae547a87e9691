"""Rows to read scores by: what real examples get (the floor), and what noise or an untrained model gets (the ceiling)."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from gm_keras.metrics import accuracy
from gm_keras.metrics.evaluation import Evaluation
from gm_keras.metrics.examples import BATCH, Examples
from gm_keras.metrics.registry import evaluate, wanted
from gm_keras.metrics.spool import spool
from gm_keras.progress import progress

#: Examples of which the likelihood, the reconstruction or the novelty is measured, at most: each is measured by
#: itself, so that fewer only have a larger error. Sets that are compared with each other must be as large as they are.
FEW = 500


def calibrate(
    evaluation: Evaluation, translate: Callable[[np.ndarray], np.ndarray] | None = None
) -> dict[str, Any]:
    """Computes the scores of a model's data for real examples, noise, and the model before training.

    Samples are compared with training examples (the floor; where copies of these are what is looked for, with
    test examples) and with uniform noise (the ceiling). Likelihoods and reconstructions are those of training
    examples (the floor), and those of test examples under the model with its initial weights (the ceiling).
    Translations are those of training examples (the floor), or noise (the ceiling). Classes are those that the data
    set's own classifier reads, which was given every label (the floor; none without such a classifier), and that which
    most training examples have (the ceiling).
    For the initial weights the process is seeded, as by `backend.set_seed`.

    Args:
        evaluation: Of the trained model; its weights are the same afterwards.
        translate: Translates the sources of some rows of the training set; for translators.

    Returns:
        `floor` and `ceiling`: scores by name; `floor_of` and `ceiling_of`: what they are of.
    """
    model, data, seed = evaluation.model, evaluation.data, evaluation.seed
    floor, ceiling, of = {}, {}, {"floor": [], "ceiling": []}
    if wanted(model, "samples"):
        n = len(evaluation.samples)
        train = Examples(data, model, "train", n, seed)
        test = Examples(data, model, "test", min(n, FEW), seed)
        floor |= evaluate(_real(evaluation, train), ("samples",), seldom=True)
        floor |= evaluate(_real(evaluation, test), ("novelty",), seldom=True)
        noise = replace(evaluation, samples=_noise(evaluation, n), given=None, left_out={})
        ceiling |= evaluate(noise, ("samples", "pairs"), seldom=True)
        few = replace(noise, samples=noise.samples[:FEW], left_out={})
        ceiling |= evaluate(few, ("novelty",), seldom=True)
        against = _against(evaluation)
        of["floor"].append(f"{len(train):,} training examples against {against}")
        of["ceiling"].append(f"{n:,} examples of uniform noise against {against}")
        if wanted(model, "pairs") and translate is not None:
            made = spool(
                _translated(translate, train.rows), len(train), evaluation.folder, "translations"
            )
            seen = replace(evaluation, samples=made, examples=train, left_out={})
            floor |= evaluate(seen, ("pairs",), seldom=True)
            of["floor"].append(f"translations of {len(train):,} training examples")
    if wanted(model, "model"):
        size = min(len(evaluation.examples), FEW)
        seen = Examples(data, model, "train", size, seed)
        # log Z is that of the same model.
        of_seen = replace(evaluation, examples=seen, left_out={})
        floor |= evaluate(of_seen, ("model",), seldom=True)
        with _untrained(model, seed):
            examples = Examples(data, model, "test", size)
            untrained = replace(evaluation, examples=examples, left_out={}, partitions={})
            ceiling |= evaluate(untrained, ("model",), seldom=True)
        of["floor"].append(f"likelihoods and reconstructions of {len(seen):,} training examples")
        of["ceiling"].append(
            f"likelihoods and reconstructions of {size:,} test examples by the model before training"
        )
    if wanted(model, "classes"):
        if evaluation.extractor.kind == "classifier":
            read = np.asarray(evaluation.real[1]).argmax(axis=1)
            floor |= _read(evaluation, read)
            of["floor"].append(f"classes read by the classifier of {data.name}, given every label")
        most = np.bincount(data.arrays("train")["label"]).argmax()
        ceiling |= _read(evaluation, np.full(len(evaluation.test), most))
        of["ceiling"].append("every example read as the class that most training examples have")
    return {
        "floor": floor,
        "ceiling": ceiling,
        "floor_of": "; ".join(of["floor"]),
        "ceiling_of": "; ".join(of["ceiling"]),
    }


def _read(evaluation: Evaluation, classes: np.ndarray) -> dict[str, float]:
    """The scores of these classes of the test examples."""
    of_test = replace(evaluation, examples=evaluation.test, left_out={})
    return of_test.attempt(("accuracy",), lambda: (accuracy(classes, of_test.labels),))


def _against(evaluation: Evaluation) -> str:
    """What samples are compared with, in words."""
    few, all_ = len(evaluation.test), len(Examples(evaluation.data, evaluation.model))
    return "the test set" if few == all_ else f"{few:,} test examples"


def _real(evaluation: Evaluation, real: Examples) -> Evaluation:
    """An evaluation whose samples are real examples."""
    kept, given = (evaluation.extractor.kept or {}).get(real.split), None
    if kept is not None and real.split == "train" and len(real) <= len(kept[0]):
        given = tuple(rows[: len(real)] for rows in kept)
    samples = spool(real.batches(), len(real), evaluation.folder, f"floor_{real.split}")
    return replace(evaluation, samples=samples, given=given, left_out={})


def _translated(
    translate: Callable[[np.ndarray], np.ndarray], rows: np.ndarray
) -> Iterator[np.ndarray]:
    with progress(len(rows), "translations of training examples") as bar:
        for at in range(0, len(rows), BATCH):
            part = translate(rows[at : at + BATCH])
            bar.update(len(part))
            yield part


def _noise(evaluation: Evaluation, n: int) -> np.ndarray:
    """Independent uniform values: on the levels of images, over the range of vectors."""
    data, field = evaluation.data, evaluation.model.data_field
    shape = evaluation.model.data_shape
    generator = np.random.default_rng([evaluation.seed, n, 1])
    low, high, levels = -1.0, 1.0, None
    if field == "features":
        train = data.arrays("train")[field]
        low, high = np.min(train, axis=0), np.max(train, axis=0)
    else:
        levels = data.levels_of(field)

    def parts() -> Iterator[np.ndarray]:
        for start in range(0, n, BATCH):
            size = (min(BATCH, n - start), *shape)
            if levels:
                drawn = 2.0 * generator.integers(levels, size=size) / (levels - 1) - 1.0
            else:
                drawn = low + (high - low) * generator.random(size)
            yield drawn.astype("float32")

    return spool(parts(), n, evaluation.folder, "noise")


@contextlib.contextmanager
def _untrained(model: Any, seed: int) -> Iterator[None]:
    """Within this context a model has new weights, and afterwards its own again.

    The model itself, because another of its kind would be compiled once more.
    """
    from gm_keras import backend

    backend.set_seed(seed)
    weights = model.get_weights()
    model.set_weights(type(model).from_config(model.get_config()).get_weights())
    try:
        yield
    finally:
        model.set_weights(weights)
