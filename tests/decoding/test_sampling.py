"""Temperature, top-k and top-p against enumeration in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.decoding.sampling import sample_logits
from gm_keras.ops.random import RandomStream

pytestmark = pytest.mark.backend

DRAWS = 20_000


def expected(logits, temperature=1.0, top_k=None, top_p=None) -> np.ndarray:
    """The probabilities by their definition, one token at a time, in float64."""
    weights = np.exp((logits - np.max(logits)) / temperature)
    order = sorted(range(len(logits)), key=lambda token: (-logits[token], token))
    kept = order if top_k is None else order[:top_k]
    if top_p is not None:
        mass, nucleus = 0.0, []
        for token in kept:
            if nucleus and mass >= top_p - 1e-9:
                break
            nucleus.append(token)
            mass += weights[token] / weights[kept].sum()
        kept = nucleus
    result = np.zeros(len(logits))
    result[kept] = weights[kept] / weights[kept].sum()
    return result


def frequencies(logits, seed=0, **options) -> np.ndarray:
    many = np.broadcast_to(np.asarray(logits, "float32"), (DRAWS, len(logits)))
    tokens = ops.convert_to_numpy(sample_logits(many, seed, **options))
    assert tokens.dtype == np.int32
    assert tokens.shape == (DRAWS,)
    return np.bincount(tokens, minlength=len(logits)) / DRAWS


PROBABILITIES = np.array([0.05, 0.3, 0.15, 0.4, 0.1])
LOGITS = np.log(PROBABILITIES) + 3.0


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0.5},
        {"temperature": 2.0},
        {"top_k": 1},
        {"top_k": 3},
        {"top_k": 5},
        {"top_k": 50},
        {"top_p": 0.39},
        {"top_p": 0.41},
        {"top_p": 0.7},  # reached by two tokens exactly
        {"top_p": 0.71},
        {"top_p": 0.85},
        {"top_p": 1e-9},
        {"top_p": 1.0},
        {"top_k": 3, "top_p": 0.8},  # of the three kept ones the two likeliest have 0.7 / 0.85
        {"temperature": 0.5, "top_p": 0.9},
        {"temperature": 2.0, "top_k": 4, "top_p": 0.75},
    ],
    ids=str,
)
def test_frequencies_are_the_probabilities(options):
    probabilities = expected(LOGITS, **options)
    drawn = frequencies(LOGITS, seed=3, **options)
    np.testing.assert_array_equal(drawn > 0, probabilities > 0)
    # Four standard errors and a half of the most uncertain frequency.
    np.testing.assert_allclose(drawn, probabilities, atol=4.5 * 0.5 / np.sqrt(DRAWS))


def test_random_logits_keep_the_sets_that_enumeration_keeps():
    """Tokens that must not appear do not; seldom ones may miss in so many draws."""
    rng = np.random.default_rng(0)
    for trial in range(8):
        logits = rng.normal(0.0, 2.0, 12)
        options = {"top_k": int(rng.integers(1, 13)), "top_p": float(rng.uniform(0.05, 1.0))}
        probabilities = expected(logits.astype("float32").astype("float64"), **options)
        drawn = frequencies(logits, seed=trial, **options)
        assert not np.any((drawn > 0) & (probabilities == 0)), options
        assert not np.any((drawn == 0) & (probabilities > 0.002)), options


def test_of_equals_the_first_are_kept():
    assert np.flatnonzero(frequencies(np.zeros(6), top_k=2)).tolist() == [0, 1]
    assert np.flatnonzero(frequencies(np.zeros(4), top_p=0.5)).tolist() == [0, 1]
    assert np.flatnonzero(frequencies([0.0, 1.0, 0.0, 1.0], top_k=3)).tolist() == [0, 1, 3]
    assert frequencies([0.0, 1.0, 1.0], temperature=0.0).tolist() == [0.0, 1.0, 0.0]


def test_tokens_that_are_ruled_out_never_appear():
    logits = [0.0, -np.inf, 1.0, -np.inf]
    for options in ({}, {"top_k": 3}, {"top_p": 0.999999}, {"temperature": 1e-3}):
        drawn = frequencies(logits, **options)
        assert drawn[1] == drawn[3] == 0.0, options


def test_a_uniform_number_of_zero_or_one_is_harmless(monkeypatch):
    for value in (0.0, 1.0):
        monkeypatch.setattr(
            keras.random, "uniform", lambda shape, dtype, seed, value=value: ops.full(shape, value)
        )
        assert int(ops.convert_to_numpy(sample_logits(np.array([0.0, 2.0, 1.0]), 0))) == 1


def test_extreme_temperatures_and_logits_stay_finite():
    assert frequencies([1e30, 1e30, -1e30], temperature=1e-20)[2] == 0.0
    np.testing.assert_allclose(
        frequencies([5.0, -5.0], temperature=1e6), 0.5, atol=4.5 * 0.5 / np.sqrt(DRAWS)
    )


def test_any_leading_shape_and_half_precision():
    rng = np.random.default_rng(1)
    logits = ops.cast(
        ops.convert_to_tensor(rng.normal(size=(2, 3, 7)).astype("float32")), "bfloat16"
    )
    for options in ({}, {"top_k": 2}, {"top_p": 0.5}, {"temperature": 0.0}):
        tokens = ops.convert_to_numpy(sample_logits(logits, 0, **options))
        assert tokens.shape == (2, 3)
        assert tokens.dtype == np.int32
    assert tuple(sample_logits(np.zeros(4, "float32"), 0).shape) == ()


def test_filters_that_keep_all_change_nothing():
    logits = np.random.default_rng(2).normal(size=(50, 9)).astype("float32")
    plain = ops.convert_to_numpy(sample_logits(logits, 5))
    for options in ({"top_k": 9}, {"top_k": 8, "top_p": 1.0}, {"top_p": 0.999999}):
        same = ops.convert_to_numpy(sample_logits(logits, 5, **options)) == plain
        assert same.mean() > 0.9, options


def test_inside_a_compiled_loop():
    def draw(logits, seed):
        random = RandomStream(seed)

        def step(index, tokens):
            drawn = sample_logits(logits, random.at(index), temperature=0.9, top_k=3, top_p=0.9)
            return ops.slice_update(tokens, (0, index), ops.expand_dims(drawn, 1))

        return ops.fori_loop(0, 10, step, ops.zeros((64, 10), "int32"))

    logits = np.broadcast_to(LOGITS, (64, 5)).astype("float32")
    compiled = backend.compile_function(draw, [])
    tokens = ops.convert_to_numpy(compiled(logits, np.int32(4)))
    again = ops.convert_to_numpy(compiled(logits, np.int32(4)))
    np.testing.assert_array_equal(tokens, again)
    assert set(np.unique(tokens)) <= set(np.flatnonzero(expected(LOGITS, 0.9, 3, 0.9)))
    assert len(np.unique(tokens, axis=1).T) > 1
    assert not np.array_equal(tokens, ops.convert_to_numpy(compiled(logits, np.int32(5))))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, "temperature must be"),
        ({"temperature": float("nan")}, "temperature must be"),
        ({"temperature": float("inf")}, "temperature must be"),
        ({"top_k": 0}, "top_k must be"),
        ({"top_k": 2.5}, "top_k must be"),
        ({"top_k": True}, "top_k must be"),
        ({"top_p": 0.0}, "top_p must be"),
        ({"top_p": 1.1}, "top_p must be"),
    ],
)
def test_wrong_values_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        sample_logits(np.zeros(3, "float32"), 0, **options)
