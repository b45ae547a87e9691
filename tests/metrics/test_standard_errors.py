"""Standard errors against the spread of the scores over many independent draws."""

import numpy as np
import pytest

from gm_keras.metrics import (
    accuracy,
    authenticity,
    density_coverage,
    frechet_distance,
    inception_score,
    kernel_distance,
    mmd,
    mode_coverage,
    precision_recall,
    sliced_wasserstein,
    streams,
)

DRAWS = 120
MIXING = np.random.default_rng(1).normal(size=(4, 4))
CENTRES = np.random.default_rng(2).normal(size=(20, 2)) * 5.0
TRAIN = np.random.default_rng(3).normal(size=(200, 4))


def _pair(rng, real=240, generated=200, width=4):
    return rng.normal(size=(real, width)), rng.normal(size=(generated, width)) * 1.2 + 0.4


def _skewed(rng):
    return rng.gamma(2.0, size=(300, 4)) @ MIXING, rng.normal(size=(200, 4)) + 0.5


def _mixture(rng):
    shares = np.geomspace(0.2, 0.002, len(CENTRES))
    modes = rng.choice(len(CENTRES), size=300, p=shares / shares.sum())
    return CENTRES[modes] + 0.06 * rng.normal(size=(300, 2)), CENTRES, 0.05


def _read(rng):
    labels = rng.integers(3, size=150)
    return np.where(rng.random(150) < 0.85, labels, rng.integers(3, size=150)), labels


CASES = {
    "accuracy": (accuracy, _read),
    "frechet": (frechet_distance, _skewed),
    "frechet of unequal sets": (frechet_distance, lambda rng: _pair(rng, 1500, 150)),
    "kernel": (kernel_distance, _pair),
    "kernel of unequal sets": (kernel_distance, lambda rng: _pair(rng, 60, 400)),
    "mmd": (mmd, _pair),
    "sliced": (sliced_wasserstein, lambda rng: (*_pair(rng), 20)),
    "inception": (inception_score, lambda rng: (rng.dirichlet([0.1, 0.2, 0.5, 1.0], size=300),)),
    "inception in splits": (
        inception_score,
        lambda rng: (rng.dirichlet([0.1, 0.5, 1.0], size=600), 10),
    ),
    "precision and recall": (precision_recall, _pair),
    "density and coverage": (density_coverage, _pair),
    "authenticity": (authenticity, lambda rng: (TRAIN, _pair(rng)[1])),
    "modes": (mode_coverage, _mixture),
}


def _check(function, draw):
    values, errors = [], []
    for seed in range(DRAWS):
        result = function(*draw(np.random.default_rng(seed)))
        scores = result if isinstance(result, tuple) else (result,)
        values.append([float(score) for score in scores])
        errors.append([score.stderr for score in scores])
    claimed = np.sqrt(np.mean(np.square(errors), axis=0))
    ratio = claimed / np.std(values, axis=0, ddof=1)
    assert np.all((ratio > 0.7) & (ratio < 1.4)), ratio


@pytest.mark.parametrize("case", CASES)
def test_of_whole_sets(case):
    _check(*CASES[case])


@pytest.mark.parametrize(
    "function",
    [
        kernel_distance,
        mmd,
        lambda x, y: sliced_wasserstein(x, y, 20),
        precision_recall,
        density_coverage,
    ],
    ids=["kernel", "mmd", "sliced", "precision and recall", "density and coverage"],
)
def test_of_averages_over_blocks(function, monkeypatch):
    # The real set is one block in every pair: its part of the error does not fall with the number of pairs.
    monkeypatch.setattr(streams, "BLOCK_ROWS", 200)
    _check(function, lambda rng: _pair(rng, 200, 600))
