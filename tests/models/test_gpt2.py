"""GPT-2: causality, the cache, exact likelihoods, and a Markov chain whose entropy rate is known."""

import itertools

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.models.sequence.gpt2 import GPT2
from gm_keras.networks.transformer import Transformer

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

CONTEXT = 8


def scramble(network: keras.Model, scale: float = 0.5) -> None:
    """Weights far from the start, at which every branch of the network is small."""
    for index, variable in enumerate(network.trainable_variables):
        noise = np.random.default_rng(index).normal(size=variable.shape)
        offset = 1.0 if variable.name == "gamma" else 0.0
        variable.assign((offset + scale * noise).astype("float32"))


@pytest.fixture(scope="module")
def model() -> GPT2:
    keras.utils.set_random_seed(0)
    result = GPT2("\nabcd", context=CONTEXT, layers=2, width=12, heads=3)
    scramble(result.transformer, 0.3)
    return result


def tokens(batch: int, length: int, size: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, size, (batch, length)).astype("int32")


def logits(model: GPT2, x: np.ndarray) -> np.ndarray:
    return ops.convert_to_numpy(model.run_compiled(model.transformer, x))


def test_a_token_reaches_itself_and_all_later_positions_and_no_earlier_one(model):
    x = tokens(1, CONTEXT)
    base = logits(model, x)[0]
    for place in range(CONTEXT):
        changed = x.copy()
        changed[0, place] = (changed[0, place] + 1) % 5
        moved = np.abs(logits(model, changed)[0] - base).max(axis=-1)
        np.testing.assert_array_equal(moved[:place], 0.0)
        assert (moved[place:] > 1e-5).all(), place


def test_the_mask_by_gradient(model):
    """With respect to what enters the blocks: the embeddings of the tokens and their positions."""
    transformer = model.transformer
    embedded = transformer.positions(transformer.embedding(tokens(1, CONTEXT)))
    for place in (0, 3, CONTEXT - 1):

        def score(hidden, place=place):
            for block in transformer.stack:
                hidden = block(hidden)
            return transformer.embedding(transformer.norm(hidden), reverse=True)[:, place, 1]

        gradient = ops.convert_to_numpy(model.gradient(score, ops.convert_to_tensor(embedded)))
        reached = np.abs(gradient[0]).max(axis=-1) > 0
        np.testing.assert_array_equal(reached, np.arange(CONTEXT) <= place)


def test_the_order_of_the_tokens_matters(model):
    x = tokens(1, CONTEXT)
    x[0, :3] = (1, 2, 3)
    other = x.copy()
    other[0, :3] = (2, 1, 3)
    assert np.abs(logits(model, x) - logits(model, other))[0, -1].max() > 1e-4


def test_embeddings_are_tied(model):
    shapes = [tuple(variable.shape) for variable in model.trainable_variables]
    assert shapes.count((5, 12)) == 1
    assert (12, 5) not in shapes
    # By both ways: as input, and as the direction of a token's logit.
    hidden = np.random.default_rng(0).normal(size=(2, 12)).astype("float32")
    table = ops.convert_to_numpy(model.transformer.embedding.embeddings)
    np.testing.assert_allclose(
        ops.convert_to_numpy(model.transformer.embedding(hidden, reverse=True)),
        hidden @ table.T,
        atol=1e-5,
    )


def test_initial_weights_are_those_of_the_paper():
    keras.utils.set_random_seed(0)
    network = Transformer(256, 64, blocks=8, width=64, heads=4)
    for variable in network.trainable_variables:
        value = ops.convert_to_numpy(variable)
        if variable.name in ("bias", "beta", "gamma"):
            np.testing.assert_array_equal(value, float(variable.name == "gamma"))
            continue
        ends_a_branch = "output_projection" in variable.path or "contract" in variable.path
        expected = 0.02 / 4.0 if ends_a_branch else 0.02
        np.testing.assert_allclose(value.std(), expected, rtol=0.05, err_msg=variable.path)


def test_cached_logits_are_those_of_the_whole(model):
    x = tokens(3, CONTEXT)
    expected = logits(model, x)
    transformer = model.transformer

    def steps(x, start):
        def body(position, state):
            outputs, cache = state
            column = ops.squeeze(ops.slice(x, (0, position), (3, 1)), 1)
            output, cache = transformer.step(column, position, cache)
            return ops.slice_update(outputs, (0, position, 0), ops.expand_dims(output, 1)), cache

        cache = transformer.initial_cache(3, CONTEXT) if start == 0 else transformer.prefill(x)
        return ops.fori_loop(start, CONTEXT, body, (ops.zeros((3, CONTEXT, 5)), cache))[0]

    for start in (0, 5):
        actual = ops.convert_to_numpy(model.run_compiled(steps, x, start=start))
        np.testing.assert_allclose(actual[:, start:], expected[:, start:], atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"temperature": 0.7},
        {"length": 31, "prompt": "abcd"},
        {"length": 16, "prompt": "abcdabcdabcd", "top_k": 3, "top_p": 0.9},
    ],
    ids=str,
)
def test_the_cache_changes_no_sample(model, options):
    cached = model.sample(16, seed=5, **options)
    assert cached.dtype == np.int32
    assert cached.shape == (16, options.get("length", CONTEXT + 1))
    assert 0 <= cached.min() <= cached.max() < 5
    begin = options.get("prompt", "\n")
    assert {model.decode_text(row)[: len(begin)] for row in cached} == {begin}
    assert len(np.unique(cached, axis=0)) > 8
    np.testing.assert_array_equal(cached, model.sample(16, seed=5, cached=False, **options))


def test_samples_follow_the_likelihood():
    """The frequency of every text of four tokens is its probability."""
    model = GPT2("ab", context=3, layers=1, width=8, heads=2)
    scramble(model.transformer, 0.7)
    texts = np.array([[0, *rest] for rest in itertools.product((0, 1), repeat=3)], "int32")
    probabilities = np.exp(ops.convert_to_numpy(model.log_prob(texts)))
    drawn = model.sample(20_000, seed=1)
    frequencies = np.bincount(drawn @ np.array([0, 4, 2, 1]), minlength=8) / len(drawn)
    np.testing.assert_allclose(frequencies, probabilities, atol=4.5 * 0.5 / np.sqrt(len(drawn)))
    assert probabilities.std() > 0.03


def test_probabilities_of_all_texts_sum_to_one():
    model = GPT2("abc", context=4, layers=2, width=8, heads=2)
    scramble(model.transformer)
    rest = list(itertools.product(range(3), repeat=4))
    for first in range(3):
        texts = np.array([[first, *each] for each in rest], "int32")
        log_probs = ops.convert_to_numpy(model.log_prob(texts))
        assert log_probs.shape == (81,)
        assert np.exp(log_probs.astype("float64")).sum() == pytest.approx(1.0, abs=1e-4)
    mean = -log_probs.mean() / 4
    assert model.nats_per_token(texts) == pytest.approx(mean, abs=1e-5)
    assert model.nats_per_token(texts, batch_size=10) == pytest.approx(mean, abs=1e-5)
    model.compile("adam")
    assert float(model.evaluate(texts, batch_size=81, verbose=0)) == pytest.approx(mean, abs=1e-4)


def test_text_and_tokens():
    model = GPT2("\nab", context=4, layers=1, width=4, heads=1)
    assert model.encode_text("ab\na").tolist() == [1, 2, 0, 1]
    assert model.decode_text(np.array([1, 2, 0])) == "ab\n"
    assert model.decode_text(model.sample(1, prompt="ab")[0])[:2] == "ab"
    with pytest.raises(ValueError, match="'x' \\(at position 1\\)"):
        model.encode_text("ax")
    with pytest.raises(ValueError, match="from 0 to 2"):
        model.decode_text(np.array([3]))
    with pytest.raises(ValueError, match="at least 1 character"):
        model.sample(1, prompt="")
    with pytest.raises(ValueError, match="prompt must have at most 2 tokens"):
        model.sample(1, prompt="aba", length=2)
    with pytest.raises(ValueError, match=r"from 0 to 2, not .*0 to 3"):
        model.log_prob(np.array([[0, 1, 2, 3, 0]]))
    with pytest.raises(ValueError, match=r"of shape \(5,\)"):
        model.log_prob(np.zeros((1, 4), "int32"))
    assert GPT2("ab", context=2, layers=1, width=4, heads=1).sample(3)[:, 0].tolist() == [0] * 3


def test_bytes_are_a_vocabulary():
    model = GPT2("bytes", context=4, layers=1, width=4, heads=1)
    assert model.vocabulary_size == 256
    encoded = model.encode_text("é\n")
    assert encoded.tolist() == [0xC3, 0xA9, 0x0A]
    assert model.decode_text(encoded) == "é\n"
    assert model.decode_text(encoded[:1]) == "\N{REPLACEMENT CHARACTER}"
    assert model.transformer.output_shape == (None, 4, 256)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"vocabulary": "a"}, "at least 2 characters"),
        ({"vocabulary": "abca"}, "'a' twice"),
        ({"vocabulary": ["a", "b"]}, "at least 2 characters"),
        ({"context": 0}, "context must be an integer of at least 1"),
        ({"layers": 0}, "layers must be an integer of at least 1"),
        ({"width": 10, "heads": 4}, "heads must divide width"),
    ],
)
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        GPT2(**{"vocabulary": "ab", **arguments})


def test_weight_decay_spares_biases_and_normalizations():
    model = GPT2("ab", context=2, layers=1, width=4, heads=1)
    model.compile(keras.optimizers.AdamW(1e-9, weight_decay=0.5))
    scramble(model.transformer)
    before = {v.path: ops.convert_to_numpy(v).copy() for v in model.trainable_variables}
    # A rate that large in one step halves what decays; the gradients move it by as little as Adam lets them.
    model.optimizer["main"].learning_rate = 1e-3
    model.optimizer["main"].weight_decay = 500.0
    model.train_on_batch(tokens(2, 3, 2))
    for variable in model.trainable_variables:
        spared = variable.name in ("bias", "gamma", "beta")
        value = before[variable.path] * (1.0 if spared else 0.5)
        np.testing.assert_allclose(
            ops.convert_to_numpy(variable), value, atol=2e-3, err_msg=variable.path
        )


def test_dropout_is_noise_in_training_alone():
    model = GPT2("ab", context=4, layers=1, width=8, heads=2, dropout=0.5)
    x = tokens(2, 4, 2)
    first, second = (ops.convert_to_numpy(model.transformer(x, training=True)) for _ in range(2))
    assert np.abs(first - second).max() > 1e-4
    first, second = (ops.convert_to_numpy(model.transformer(x, training=False)) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(
        model.sample(4, seed=1, length=12), model.sample(4, seed=1, length=12, cached=False)
    )


@pytest.mark.learns
def test_it_learns_a_markov_chain_down_to_its_entropy_rate():
    """Each token depends on the two before it; all are equally frequent, so a unigram model has log(3)."""
    generator = np.random.default_rng(0)
    table = np.array([0.9, 0.07, 0.03])
    chain = [0, 1]
    for noise in generator.choice(3, 20_000, p=table):
        # Given the two before, which token is likely; every token's share is a third.
        chain.append((chain[-1] + chain[-2] + noise) % 3)
    chain = np.array(chain, "int32")
    rate = -float((table * np.log(table)).sum())
    shares = np.bincount(chain, minlength=3) / len(chain)
    unigram = -float((shares * np.log(shares)).sum())
    assert unigram > 1.09
    assert rate < 0.39

    # Other seeds may stay at half of the way for 300 steps, on one processor and not on another.
    backend.set_seed(1)
    model = GPT2("abc", context=12, layers=2, width=32, heads=2)
    model.compile(keras.optimizers.AdamW(3e-3, beta_2=0.99, weight_decay=0.1, global_clipnorm=1.0))
    windows = np.lib.stride_tricks.sliding_window_view(chain, 13)
    for _ in range(300):
        model.train_on_batch(windows[generator.integers(0, 18_000, 64)])
    held_out = windows[18_100::13]
    # The first of a window's tokens is predicted from one alone, of the second order nothing is known there.
    log_probs = ops.convert_to_numpy(model.run_compiled(model._token_log_probs, held_out))
    assert -log_probs[:, 1:].mean() < rate + 0.12
    assert -log_probs[:, 0].mean() > 1.0
    # Samples obey the rule about as often as the chain, in 90 % of all steps; chance is a third.
    drawn = model.sample(200, seed=0, prompt="ab", length=30)
    obeyed = (drawn[:, 2:] - drawn[:, 1:-1] - drawn[:, :-2]) % 3 == 0
    assert 0.8 < obeyed.mean() < 0.95
