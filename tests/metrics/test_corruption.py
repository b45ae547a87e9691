"""Every score that should notice a corruption gets worse the more of it there is."""

from functools import cache

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression

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
    psnr,
    sliced_wasserstein,
    ssim,
)

RNG = np.random.default_rng(0)


@cache
def _digits():
    """Images of digits in [-1, 1] and their labels, in two halves: the real ones and the samples of a perfect model."""
    data = load_digits()
    images = data.images[..., None] / 8.0 - 1.0
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images[order], data.target[order]
    half = len(images) // 2
    return images[:half], labels[:half], images[half:], labels[half:]


@cache
def _classifier():
    images, labels, _, _ = _digits()
    return LogisticRegression(max_iter=2000).fit(_flat(images), labels)


def _flat(images):
    return images.reshape(len(images), -1)


def _noise(amount):
    images = _digits()[2]
    noise = np.random.default_rng(1).normal(size=images.shape)
    return np.clip(images + amount * noise, -1.0, 1.0)


def _blur(amount):
    return gaussian_filter(_digits()[2], (0, amount, amount, 0))


def _dropping(amount):
    """As many images as before, with the first `amount` digits missing."""
    _, _, images, labels = _digits()
    kept = images[labels >= amount]
    return kept[np.arange(len(images)) % len(kept)]


def _copies(amount):
    """A share of the images are training images."""
    train, _, images, _ = _digits()
    return np.concatenate([train[: round(amount * len(images))], images])[: len(images)]


CORRUPTIONS = {
    "noise": (_noise, (0.0, 0.25, 0.5, 1.0)),
    "blur": (_blur, (0.0, 0.5, 0.6, 0.7)),
    "dropping": (_dropping, (0, 3, 6, 9)),
    "copies": (_copies, (0.0, 0.3, 0.6, 1.0)),
}

# Of images beside the real ones; a score that falls with corruption is turned round by a minus sign.
OF_SETS = {
    "frechet": lambda real, made: frechet_distance(_flat(real), _flat(made)),
    "kernel": lambda real, made: kernel_distance(_flat(real), _flat(made)),
    "mmd": lambda real, made: mmd(_flat(real), _flat(made)),
    "sliced": lambda real, made: sliced_wasserstein(_flat(real), _flat(made)),
    "precision": lambda real, made: -precision_recall(_flat(real), _flat(made))[0],
    "recall": lambda real, made: -precision_recall(_flat(real), _flat(made))[1],
    "density": lambda real, made: -density_coverage(_flat(real), _flat(made))[0],
    "coverage": lambda real, made: -density_coverage(_flat(real), _flat(made))[1],
    "authenticity": lambda real, made: -authenticity(_flat(real), _flat(made)),
    "inception": lambda real, made: -inception_score(_classifier().predict_proba(_flat(made))),
}


NOTICED = [
    # Noise carries samples away from the real ones; their balls grow, and recall with them.
    *((score, "noise") for score in OF_SETS if score not in ("authenticity", "recall")),
    *(
        (score, "blur")
        for score in ("frechet", "kernel", "mmd", "sliced", "inception", "recall", "coverage")
    ),
    *(
        (score, "dropping")
        for score in ("frechet", "kernel", "mmd", "sliced", "recall", "coverage", "inception")
    ),
    ("authenticity", "copies"),
]


@pytest.mark.parametrize(("score", "corruption"), NOTICED)
def test_sets(score, corruption):
    corrupt, amounts = CORRUPTIONS[corruption]
    values = [float(OF_SETS[score](_digits()[0], corrupt(amount))) for amount in amounts]
    assert np.all(np.diff(values) > 0.0), values


@pytest.mark.parametrize("score", [psnr, ssim, ms_ssim])
@pytest.mark.parametrize("corruption", ["noise", "blur"])
def test_pairs_of_images(score, corruption):
    corrupt, amounts = CORRUPTIONS[corruption]
    values = [score(_digits()[2], corrupt(amount)).mean() for amount in amounts]
    assert np.all(np.diff(values) < 0.0), values


def test_modes():
    centres = np.array([[x, y] for x in range(5) for y in range(5)], "float64")
    modes = {"found": [], "share": []}
    for dropped in (0, 5, 15, 24):
        chosen = centres[RNG.integers(dropped, 25, size=1000)]
        modes["found"].append(
            mode_coverage(chosen + 0.05 * RNG.normal(size=(1000, 2)), centres, 0.05)[0]
        )
    assert modes["found"] == [25.0, 20.0, 10.0, 1.0]
    for noise in (0.05, 0.1, 0.2):
        chosen = centres[RNG.integers(0, 25, size=1000)]
        modes["share"].append(
            mode_coverage(chosen + noise * RNG.normal(size=(1000, 2)), centres, 0.05)[1]
        )
    assert np.all(np.diff(modes["share"]) < 0.0)
