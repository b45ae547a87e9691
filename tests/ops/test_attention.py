"""Attention: its definition, and the kernel that JAX takes on a CPU."""

import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.ops.attention import self_attention
from tests.ops.test_native import calls

pytestmark = pytest.mark.backend

SHAPES = [
    # batch, length, width, heads, causal
    (3, 1, 8, 2, True),
    (2, 7, 12, 3, True),
    (5, 48, 64, 4, True),
    (2, 130, 40, 5, True),
    (3, 300, 32, 2, True),
    (4, 49, 96, 1, False),
    (2, 256, 64, 1, False),
    (2, 33, 48, 3, False),
]


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def defined(joined, heads, causal):
    """In float64, one head and one position after the other."""
    batch, length, features = joined.shape
    size = features // (3 * heads)
    split = joined.astype("float64").reshape(batch, length, 3, heads, size)
    outputs = np.zeros((batch, length, heads, size))
    for head in range(heads):
        queries, keys, values = (split[:, :, which, head] for which in range(3))
        for at in range(length):
            seen = slice(at + 1 if causal else length)
            scores = np.einsum("bf,bsf->bs", queries[:, at], keys[:, seen]) / np.sqrt(size)
            weights = np.exp(scores - scores.max(axis=1, keepdims=True))
            weights /= weights.sum(axis=1, keepdims=True)
            outputs[:, at, head] = np.einsum("bs,bsf->bf", weights, values[:, seen])
    return outputs.reshape(batch, length, heads * size)


@pytest.mark.parametrize(("batch", "length", "width", "heads", "causal"), SHAPES)
def test_it_is_what_it_is_defined_as(batch, length, width, heads, causal):
    joined = 2 * normal(batch, length, 3 * width)
    actual = backend.compile_function(lambda x: self_attention(x, heads, causal), [])(joined)
    expected = defined(joined, heads, causal)
    np.testing.assert_allclose(ops.convert_to_numpy(actual), expected, atol=2e-5)


@pytest.mark.parametrize("factor", [1e-3, 30.0])
def test_large_and_small_scores(factor):
    joined = factor * normal(4, 64, 96)
    actual = backend.compile_function(lambda x: self_attention(x, 2, True), [])(joined)
    expected = defined(joined, 2, True)
    np.testing.assert_allclose(
        ops.convert_to_numpy(actual), expected, rtol=1e-3, atol=1e-4 * factor
    )


def test_what_is_no_number_is_not_lost():
    """From the position on that is broken, and for its head and example only."""
    joined = normal(8, 96, 192)
    joined[3, 40, 64] = np.nan  # the first key feature of the first head
    actual = ops.convert_to_numpy(self_attention(joined, 2, causal=True))
    assert np.isnan(actual[3, 40:, :32]).all()
    assert np.isfinite(actual[3, :40]).all()
    assert np.isfinite(actual[3, :, 32:]).all()
    assert np.isfinite(np.delete(actual, 3, axis=0)).all()


def native_library():
    from gm_keras.backend.native import library

    return library.onednn()


needs_native = pytest.mark.skipif(
    backend.name != "jax" or native_library() is None,
    reason="needs JAX and the extra native, and not GM_KERAS_NATIVE=0",
)


@needs_native
@pytest.mark.parametrize(("batch", "length", "width", "heads", "causal"), SHAPES)
def test_derivatives_of_the_kernel_are_those_of_xla(
    monkeypatch, batch, length, width, heads, causal
):
    import jax

    from gm_keras.backend import native

    joined, direction = normal(batch, length, 3 * width), normal(batch, length, width, seed=1)
    other = normal(batch, length, 3 * width, seed=2)

    def everything(joined, direction):
        def slopes(joined, direction):
            outputs, back = jax.vjp(lambda x: self_attention(x, heads, causal), joined)
            return outputs, back(direction)[0]

        (outputs, first), back = jax.vjp(slopes, joined, direction)
        return outputs, first, *back((ops.cos(direction), other))

    monkeypatch.setattr(native, "_WORTH_ATTENTION", 0)
    assert calls(lambda x: self_attention(x, heads, causal), joined, name="gm_keras_attention") == 1
    ours = jax.jit(everything)(joined, direction)
    monkeypatch.setattr(native, "attends", lambda *_: False)
    theirs = jax.jit(lambda *given: everything(*given))(joined, direction)
    for one, expected in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, expected, atol=2e-5 * np.abs(expected).max())


@needs_native
def test_the_kernel_computes_the_same_bits_again():
    joined, direction = normal(16, 200, 192), normal(16, 200, 64, seed=1)

    def gradient(joined):
        return ops.sum(self_attention(joined, 4, causal=True) * direction)

    import jax

    step = jax.jit(jax.grad(gradient))
    first = step(joined)
    for _ in range(5):
        np.testing.assert_array_equal(first, step(joined))


@needs_native
def test_small_work_and_other_types_stay_with_xla():
    assert calls(lambda x: self_attention(x, 2), normal(1, 8, 24), name="gm_keras_attention") == 0
    large = ops.cast(normal(16, 64, 192), "bfloat16")
    assert calls(lambda x: self_attention(x, 2), large, name="gm_keras_attention") == 0
    assert (
        calls(lambda x: self_attention(x, 1), normal(1, 2049, 24), name="gm_keras_attention") == 0
    )
