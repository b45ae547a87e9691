"""What codes say of the digits that no model was told: `python -m benchmarks.codes infogan|bigan PROJECT PAGE`.

Trains several seeds of a system as its recipe says. PROJECT is a folder with prepared digits (`dvc repro prepare@digits`).
"""

import argparse
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.decomposition import PCA
from sklearn.neighbors import KNeighborsClassifier

from gm_keras import backend, registry
from gm_keras.core import GenerativeModel
from gm_keras.data import Batches, PreparedData
from pipelines.running.build import build_optimizer
from pipelines.shared import catalog

SIZES = (2, 4, 10)
BIGAN_SEEDS, INFOGAN_SEEDS = 2, 5


def trained(name: str, data: PreparedData, seed: int, **changes: Any) -> GenerativeModel:
    """A system after the training of its recipe.

    Args:
        name: Of the system.
        data: Prepared digits.
        seed: Of weights, noise and the order of the examples.
        **changes: Arguments of the model that are not the recipe's.
    """
    block = catalog.recipe(name).system
    fit = block["fit"]
    backend.set_seed(seed)
    keras.utils.clear_session()
    model = registry.get(name)(data.example_shape, **{**block["model"], **changes})
    model.compile(
        {
            key: build_optimizer(key, optimizer, fit["batch_size"])
            for key, optimizer in block["optimizers"].items()
        },
        steps_per_execution=5,
    )
    batches = Batches(data, "train", fit["batch_size"], seed=seed, fields=["image"])
    model.fit(batches, epochs=fit["epochs"], verbose=0)
    return model


def infogan(data: PreparedData) -> Iterator[list[str]]:
    """A row for each seed, and one of all."""
    yield ["seed", "training set", "test set"]
    found = []
    for seed in range(INFOGAN_SEEDS):
        model = trained("infogan", data, seed)
        counts = np.zeros((model.num_codes, data.num_classes))
        np.add.at(counts, (_codes(model, data, "train"), _labels(data, "train")), 1)
        codes, digits = linear_sum_assignment(-counts)
        digit = dict(zip(codes.tolist(), digits.tolist(), strict=True))
        read = np.array([digit[code] for code in _codes(model, data, "test").tolist()])
        found.append(float((read == _labels(data, "test")).mean()))
        yield [str(seed), f"{counts[codes, digits].sum() / counts.sum():.3f}", f"{found[-1]:.3f}"]
    yield ["median", "", f"{statistics.median(found):.3f}"]


def bigan(data: PreparedData) -> Iterator[list[str]]:
    """A row for each number of latents, the mean over the seeds."""
    yield ["latents", *(f"seed {seed}" for seed in range(BIGAN_SEEDS)), "mean", "components"]
    pixels = {
        split: _images(data, split).reshape(data.size(split), -1) for split in ("train", "test")
    }
    for size in SIZES:
        found = []
        for seed in range(BIGAN_SEEDS):
            model = trained("bigan", data, seed, latent_dim=size)
            encode = lambda split, model=model: keras.ops.convert_to_numpy(  # noqa: E731
                model.encode(_images(data, split))
            )
            found.append(_nearest(encode, data))
        components = PCA(size, random_state=0).fit(pixels["train"])
        rival = _nearest(lambda split, by=components: by.transform(pixels[split]), data)
        mean = statistics.mean(found)
        yield [str(size), *(f"{each:.3f}" for each in (*found, mean, rival))]


def _nearest(codes: Callable[[str], np.ndarray], data: PreparedData) -> float:
    neighbour = KNeighborsClassifier(1).fit(codes("train"), _labels(data, "train"))
    return float(neighbour.score(codes("test"), _labels(data, "test")))


def _codes(model: GenerativeModel, data: PreparedData, split: str) -> np.ndarray:
    return keras.ops.convert_to_numpy(model.codes(_images(data, split)))[:, 0]


def _images(data: PreparedData, split: str) -> np.ndarray:
    return data.scaled(split, "image")


def _labels(data: PreparedData, split: str) -> np.ndarray:
    return np.asarray(data.arrays(split)["label"]).astype("int32")


MEASURES = {
    "infogan": (
        infogan,
        "Each categorical code is matched with one digit, so that as many as possible of the training set are right. "
        "The share whose code is that of their digit; no label took part in the training.",
    ),
    "bigan": (
        bigan,
        "The share of the test set whose nearest neighbour in the training set has the same digit: among the codes of "
        "both, and among as many principal components of the pixels.",
    ),
}


def main() -> None:
    """Trains, measures, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=MEASURES)
    parser.add_argument("project", type=Path)
    parser.add_argument("page", type=Path)
    options = parser.parse_args()
    data = PreparedData(options.project / "data" / "digits")
    rows = []
    measure, said = MEASURES[options.name]
    for row in measure(data):
        print(*row, sep="  ", flush=True)
        rows.append(f"| {' | '.join(row)} |")
    rows.insert(1, "| --- " * (rows[0].count("|") - 1) + "|")
    table = "\n".join(rows)
    options.page.write_text(
        f"# Codes of {options.name}: digits\n\n"
        f"<!-- Written by `python -m benchmarks.codes {options.name}`. Do not edit. -->\n\n{table}\n\n{said}\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
