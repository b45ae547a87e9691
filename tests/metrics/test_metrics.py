"""Scores of a classifier's probabilities, modes of a mixture, bits, and what all scores have in common."""

import itertools
import json
import math
import pickle

import numpy as np
import pytest
from scipy import special, stats

from gm_keras.metrics import (
    Estimate,
    TooFewSamples,
    accuracy,
    bits_per_dim,
    inception_score,
    mode_coverage,
)

RNG = np.random.default_rng(0)


def test_an_estimate_is_a_number_with_an_error():
    estimate = Estimate(2.5, 0.25)
    assert estimate + 1 == 3.5
    assert f"{estimate:.2f} {estimate}" == "2.50 2.5"
    assert json.dumps([estimate]) == "[2.5]"
    again = pickle.loads(pickle.dumps(estimate))
    assert (again, again.stderr) == (2.5, 0.25)
    assert Estimate(1.0).stderr is None


def test_accuracy_is_the_share_of_classes_that_are_right():
    share = accuracy(np.array([0, 1, 2, 2, 1]), np.array([0, 1, 2, 1, 0]))
    assert share == pytest.approx(0.6)
    # Deviations from 0.6: three of 0.4, two of -0.6; by hand (3 * 0.16 + 2 * 0.36) / 4 = 0.3, and 0.3 / 5.
    assert share.stderr == pytest.approx(np.sqrt(0.06))
    assert accuracy(np.arange(4.0), np.arange(4)) == 1.0
    with pytest.raises(TooFewSamples, match="at least 2 examples, there are 1"):
        accuracy(np.array([1]), np.array([1]))
    with pytest.raises(ValueError, match="one class for each label"):
        accuracy(np.zeros((4, 1)), np.zeros(4))


def test_inception_score_of_a_perfect_and_of_a_collapsed_generator():
    perfect, collapsed = np.eye(10)[np.arange(5000) % 10], np.eye(10)[np.full(5000, 3)]
    assert inception_score(perfect) == pytest.approx(10.0)
    assert inception_score(collapsed) == pytest.approx(1.0)
    assert inception_score(np.full((100, 10), 0.1)) == pytest.approx(1.0)


def test_inception_score_agrees_with_the_definition():
    probabilities = RNG.dirichlet(np.full(7, 0.3), size=503)
    marginal = probabilities.mean(axis=0)
    expected = math.exp(np.mean([stats.entropy(row, marginal) for row in probabilities]))
    assert inception_score(probabilities) == pytest.approx(expected, rel=1e-12)


def test_inception_score_in_splits_is_the_mean_of_the_parts():
    probabilities = RNG.dirichlet(np.full(7, 0.3), size=503)
    score = inception_score(probabilities, splits=4)
    bounds = [0, 125, 251, 377, 503]
    parts = [
        inception_score(probabilities[start:stop]) for start, stop in itertools.pairwise(bounds)
    ]
    assert score == pytest.approx(np.mean(parts))
    assert score.stderr == pytest.approx(stats.sem(parts))


def test_inception_score_takes_the_rounding_of_half_precision():
    exact = special.softmax(RNG.normal(size=(200, 10)), axis=1)
    assert inception_score(exact.astype("float16")) == pytest.approx(
        inception_score(exact), rel=1e-3
    )


@pytest.mark.parametrize(
    ("probabilities", "options", "message"),
    [
        (RNG.normal(size=(20, 5)), {}, "row 0 .*softmax"),
        (np.full((20, 5), 0.3), {}, "sum 1.5"),
        (np.full((3, 5), 0.2), {"splits": 2}, "at least 4 rows"),
        (np.full((3, 5), 0.2), {"splits": 0}, "splits"),
        (np.full(5, 0.2), {}, "array"),
    ],
)
def test_wrong_probabilities_are_refused(probabilities, options, message):
    with pytest.raises(ValueError, match=message):
        inception_score(probabilities, **options)


def test_modes_of_a_hand_made_set():
    centres = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])
    # Two at the first centre, one just within and one just out of reach of the second, none near the third.
    samples = np.array([[0.0, 0.0], [0.1, 0.1], [10.0, 0.29], [10.0, 0.31]])
    modes, share = mode_coverage(samples, centres, 0.1)
    assert (modes, share) == (2.0, 0.75)
    modes, share = mode_coverage(samples, centres, np.array([0.01, 0.2, 1.0]))
    assert (modes, share) == (2.0, 0.75)
    modes, share = mode_coverage(samples, centres, [0.01, 0.01, 5.0])
    assert (modes, share) == (1.0, 0.25)


def test_share_of_high_quality_samples_of_a_normal():
    # In two dimensions the squared distance in deviations is chi-squared with two degrees of freedom.
    samples = RNG.normal(size=(40_000, 2)) * 0.05 + 3.0
    modes, share = mode_coverage(samples, [[3.0, 3.0]], 0.05)
    assert modes == 1.0
    assert share == pytest.approx(stats.chi2(2).cdf(9.0), abs=4 * share.stderr)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.zeros((5, 2)), np.zeros((3, 4)), 1.0), "differ in width"),
        ((np.zeros((5, 2)), np.zeros((3, 2)), 0.0), "positive"),
        ((np.zeros((5, 2)), np.zeros((3, 2)), [1.0, 2.0]), "3 of them"),
        ((np.zeros((1, 2)), np.zeros((3, 2)), 1.0), "at least 2"),
        ((np.zeros((5, 2)), np.full((3, 2), np.inf), 1.0), "centres .*not finite"),
    ],
)
def test_wrong_modes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        mode_coverage(*arguments)


def test_too_few_samples_are_told_apart():
    with pytest.raises(TooFewSamples):
        mode_coverage(np.zeros((1, 2)), np.zeros((3, 2)), 1.0)


def test_bits_per_dim():
    # A uniform distribution over 256 levels costs 8 bits for each value.
    assert bits_per_dim(784 * math.log(256.0), 784) == pytest.approx(8.0)
    with pytest.raises(ValueError, match="at least 1"):
        bits_per_dim(1.0, 0)
