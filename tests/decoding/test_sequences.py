"""The sampling loops, with networks whose every logit is known."""

import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.decoding.sequences import generate, generate_windows
from gm_keras.ops.random import RandomStream

pytestmark = pytest.mark.backend

VOCABULARY = 5


class Counter:
    """Continues with (the sum of the tokens it has seen + the position) modulo the vocabulary, surely."""

    def __init__(self):
        self.calls = 0

    def initial_cache(self, batch, length):
        assert length
        return (ops.zeros((batch,), "int32"),)

    def step(self, tokens, position, cache):
        self.calls += 1
        total = cache[0] + tokens
        return self._logits(total + position), (total,)

    def prefill(self, tokens):
        # What later positions hold must not matter: as in attention, the step finds its own past.
        return (ops.cumsum(tokens, axis=1),)

    def _logits(self, values):
        return 50.0 * ops.one_hot(ops.mod(values, VOCABULARY), VOCABULARY)


class WindowCounter(Counter):
    """The same, with a cache that holds the sum up to each position of a window."""

    def __init__(self, context):
        super().__init__()
        self.context = context

    def __call__(self, tokens, training):
        assert not training
        return self._logits(ops.cumsum(tokens, axis=1) + ops.arange(self.context))

    def initial_cache(self, batch, length):
        return (ops.zeros((batch, length), "int32"),)

    def resized(self, cache, length):
        missing = max(0, length - cache[0].shape[1])
        return (ops.pad(cache[0][:, :length], ((0, 0), (0, missing))),)

    def step(self, tokens, position, cache):
        places = ops.arange(cache[0].shape[1])
        before = ops.sum(ops.where(ops.equal(places, position - 1), cache[0], 0), 1)
        total = before + tokens
        filled = ops.slice_update(cache[0], (0, position), ops.expand_dims(total, 1))
        return self._logits(total + position), (filled,)


def expected(prompt, length, context=None) -> np.ndarray:
    """The continuation by its definition, with lists; windows lose their older half when full."""
    rows = []
    for row in np.asarray(prompt).tolist():
        start = 0
        while len(row) < length:
            while context and len(row) - start > context:
                start += max(context // 2, 1)
            window = row[start:]
            row = [*row, (sum(window) + len(window) - 1) % VOCABULARY]
        rows.append(row)
    return np.array(rows)


def compiled(function, prompt, *, length, seed=0, **options) -> np.ndarray:
    def run(tokens, seed):
        return function(tokens, length, random=RandomStream(seed), **options)

    result = backend.compile_function(run, [])(np.asarray(prompt, "int32"), np.int32(seed))
    return ops.convert_to_numpy(result)


PROMPT = np.array([[1, 2, 0, 4, 3, 3, 1, 0, 2, 4], [0, 0, 1, 2, 2, 4, 4, 3, 0, 1]])


@pytest.mark.parametrize("known", [1, 4])
@pytest.mark.parametrize("length", [4, 17])
def test_each_token_follows_from_all_before_it(known, length):
    prompt = PROMPT[:, :known]
    network = Counter()
    tokens = compiled(lambda *args, **kw: generate(network, *args, **kw), prompt, length=length)
    assert tokens.dtype == np.int32
    np.testing.assert_array_equal(tokens, expected(prompt, length))


WINDOWS = pytest.mark.parametrize(
    ("known", "length", "context"),
    [
        (1, 7, 6),  # to the end of the first window
        (1, 8, 6),
        (1, 20, 6),
        (3, 20, 6),
        (6, 20, 6),
        (7, 20, 6),
        (10, 20, 6),  # the prompt alone is longer than the window
        (10, 10, 6),
        (1, 13, 5),
        (9, 13, 5),
        (1, 6, 1),
        (4, 6, 1),
        (1, 9, 2),
        (1, 1, 3),
        (2, 3, 100),
    ],
)


@pytest.mark.once("tensorflow")
@pytest.mark.parametrize("cached", [True, False])
@WINDOWS
def test_windows_forget_their_older_half(known, length, context, cached):
    tokens = generate_windows(
        WindowCounter(context),
        PROMPT[:, :known].astype("int32"),
        length,
        random=RandomStream(0),
        context=context,
        cached=cached,
    )
    assert tokens.dtype == "int32"
    expected_tokens = expected(PROMPT[:, :known], length, context)
    np.testing.assert_array_equal(ops.convert_to_numpy(tokens), expected_tokens)


@pytest.mark.parametrize("cached", [True, False])
@pytest.mark.parametrize(("known", "length", "context"), [(3, 20, 6), (9, 13, 5)])
def test_compiled_windows_forget_their_older_half(known, length, context, cached):
    prompt = PROMPT[:, :known]
    network = WindowCounter(context)
    tokens = compiled(
        lambda *args, **kw: generate_windows(network, *args, **kw),
        prompt,
        length=length,
        context=context,
        cached=cached,
    )
    assert tokens.dtype == np.int32
    np.testing.assert_array_equal(tokens, expected(prompt, length, context))


def test_the_room_of_the_cache_follows_the_text():
    """A step for each size that the text reaches, and none that sees more than it must."""
    context, rooms = 256, []

    class Watched(WindowCounter):
        def step(self, tokens, position, cache):
            rooms.append(cache[0].shape[1])
            return super().step(tokens, position, cache)

    def draw(known, length):
        rooms.clear()
        prompt = np.arange(known)[None] % VOCABULARY
        tokens = compiled(
            lambda *args, **kw: generate_windows(Watched(context), *args, **kw),
            prompt,
            length=length,
            context=context,
        )
        np.testing.assert_array_equal(tokens, expected(prompt, length, context))
        return sorted(set(rooms))

    assert draw(1, context + 1) == [64, 128, 192, 256]
    assert draw(1, 66) == [64, 128]
    assert draw(1, 65) == [64]
    assert draw(100, 150) == [128, 192]
    # Where the older half was dropped.
    assert draw(300, 320) == [192]
    assert draw(300, 330) == [192, 256]
    assert draw(300, 500) == [192, 256]
    assert draw(10, 400) == [192, 256]


class Biased(WindowCounter):
    """Even chances for the right token and its successor."""

    def _logits(self, values):
        one, two = (ops.one_hot(ops.mod(values + i, VOCABULARY), VOCABULARY) for i in (0, 1))
        return 50.0 * (one + two)


def test_noise_is_that_of_the_token_however_it_is_reached():
    prompt = np.zeros((64, 1), "int32")

    def draw(length, context, cached=True, seed=3):
        return compiled(
            lambda *args, **kw: generate_windows(Biased(context), *args, **kw),
            prompt,
            length=length,
            context=context,
            cached=cached,
            seed=seed,
        )

    long = draw(21, 8)
    np.testing.assert_array_equal(long, draw(21, 8, cached=False))
    np.testing.assert_array_equal(long[:, :9], draw(9, 8))
    np.testing.assert_array_equal(long[:, :9], draw(9, 20))
    assert not np.array_equal(long, draw(21, 8, seed=4))
    # No two columns share their noise.
    steps = np.diff(long, axis=1)
    assert len(np.unique(steps, axis=1).T) == steps.shape[1]


def test_a_wrong_length_or_option_is_refused():
    prompt = PROMPT[:, :4].astype("int32")
    for function, options in ((generate, {}), (generate_windows, {"context": 3})):
        network = WindowCounter(3)
        with pytest.raises(ValueError, match="from 1 to 3 tokens"):
            function(network, prompt, random=RandomStream(0), length=3, **options)
        with pytest.raises(ValueError, match="from 1 to 3 tokens"):
            function(network, prompt[:, :0], random=RandomStream(0), length=3, **options)
        with pytest.raises(ValueError, match="top_k"):
            function(network, prompt, random=RandomStream(0), length=9, top_k=0, **options)
