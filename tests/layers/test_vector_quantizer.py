"""The codebook: nearest codes, gradients that pass through, moving averages, restarts, perplexity."""

import keras
import numpy as np
import pytest

from gm_keras import backend
from gm_keras.layers.vector_quantizer import VectorQuantizer, perplexity

pytestmark = pytest.mark.backend

DECAY, EPSILON = 0.9, 1e-5


def array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor).copy()


def normal(*shape, seed=0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built(num_codes=5, code_dim=3, **options) -> VectorQuantizer:
    layer = VectorQuantizer(num_codes, code_dim, **{"decay": DECAY, **options})
    layer.build((None, None, code_dim))
    codes = normal(num_codes, code_dim, seed=1)
    layer.codebook.assign(codes)
    if layer.learning == "ema":
        layer.sums.assign(codes)
    return layer


def brute_force(vectors, codebook) -> np.ndarray:
    distances = ((vectors[..., None, :] - codebook) ** 2).sum(-1)
    return distances.argmin(-1)


@pytest.mark.parametrize("learning", ["ema", "loss"])
def test_the_nearest_code_is_chosen(learning):
    layer, vectors = built(learning=learning), normal(2, 3, 4, 3)
    codes, chosen, passed = layer(vectors)
    expected = brute_force(vectors, array(layer.codebook))
    assert array(codes).dtype == np.int32
    np.testing.assert_array_equal(array(codes), expected)
    np.testing.assert_array_equal(array(chosen), array(layer.codebook)[expected])
    np.testing.assert_allclose(array(passed), array(chosen), atol=1e-6)
    np.testing.assert_array_equal(array(layer.lookup(codes)), array(chosen))


def test_the_gradient_passes_straight_through():
    layer, vectors, weights = built(), normal(4, 3), normal(4, 3, seed=2)
    state = layer.variables

    def after(values):
        return weights * keras.ops.square(values)

    slopes = backend.gradient(
        lambda x: after(layer(x)[2]), keras.ops.convert_to_tensor(vectors), state
    )
    chosen = array(layer.codebook)[brute_force(vectors, array(layer.codebook))]
    np.testing.assert_allclose(array(slopes), 2.0 * weights * chosen, rtol=1e-5, atol=1e-6)


def test_the_codebook_is_trainable_only_where_a_loss_learns_it():
    assert [v.name for v in built(learning="loss").trainable_variables] == ["codebook"]
    assert built(learning="ema").trainable_variables == []


def test_moving_averages_follow_the_paper():
    layer = built()
    codebook, counts = array(layer.codebook), np.ones(5)
    sums = codebook.astype("float64")
    for step in range(4):
        vectors = normal(2, 3, 3, seed=10 + step)
        codes, chosen, _ = layer(vectors, training=True)
        # What comes out is what the codebook was before this batch.
        expected = brute_force(vectors, codebook)
        np.testing.assert_array_equal(array(codes), expected)
        np.testing.assert_allclose(array(chosen), codebook[expected], rtol=1e-4, atol=1e-5)
        one_hot = np.eye(5)[expected.reshape(-1)]
        counts = DECAY * counts + (1.0 - DECAY) * one_hot.sum(0)
        sums = DECAY * sums + (1.0 - DECAY) * one_hot.T @ vectors.reshape(-1, 3)
        total = counts.sum()
        smoothed = total * (counts + EPSILON) / (total + 5 * EPSILON)
        codebook = sums / smoothed[:, None]
        np.testing.assert_allclose(array(layer.counts), counts, rtol=1e-5)
        np.testing.assert_allclose(array(layer.sums), sums, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(array(layer.codebook), codebook, rtol=1e-4, atol=1e-5)


def test_averages_find_the_means_of_clusters():
    centres = np.array([[4.0, 0.0], [-4.0, 1.0], [0.0, 5.0]], "float32")
    layer = built(3, 2)
    layer.codebook.assign(0.5 * centres)
    for step in range(100):
        vectors = np.repeat(centres, 20, axis=0) + 0.1 * normal(60, 2, seed=step)
        layer(vectors, training=True)
    np.testing.assert_allclose(array(layer.codebook), centres, atol=0.02)


def far_and_near() -> tuple[VectorQuantizer, np.ndarray]:
    """A codebook with two codes among the vectors and three far away from all of them."""
    layer = built(restart_below=0.5)
    codebook = 100.0 + normal(5, 3)
    codebook[:2] = [[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]]
    layer.codebook.assign(codebook)
    layer.sums.assign(0.01 * codebook)
    layer.counts.assign(np.full(5, 0.01, "float32"))
    return layer, np.concatenate([0.1 * normal(10, 3), 1.0 + 0.1 * normal(10, 3, seed=1)])


def test_dead_codes_restart_from_vectors_of_the_batch():
    layer, vectors = far_and_near()
    layer(vectors, training=True)
    layer(vectors, training=False)
    counts, codebook = array(layer.counts), array(layer.codebook)
    # 20 vectors for 5 codes: a fair share of 4, of which a code needs half; (1 - 0.9) * 10 is not enough.
    np.testing.assert_allclose(counts, 4.0)
    for code in codebook:
        assert np.abs(vectors - code).max(axis=1).min() < 1e-4
    for step in range(3):
        layer(vectors, training=True)
        assert len(np.unique(array(layer.nearest(vectors)))) > 2, step


def test_codes_in_use_do_not_restart():
    layer, vectors = far_and_near()
    layer.counts.assign(np.array([5.0, 5.0, 0.1, 0.1, 0.1], "float32"))
    layer.sums.assign(array(layer.codebook) * array(layer.counts)[:, None])
    layer(vectors, training=True)
    np.testing.assert_allclose(array(layer.counts), [5.5, 5.5, 4.0, 4.0, 4.0], rtol=1e-5)
    moved = np.abs(array(layer.codebook)[:2] - [[0.0] * 3, [1.0] * 3])
    assert 0.0 < moved.max() < 0.1


def test_without_restarts_dead_codes_stay():
    layer, vectors = far_and_near()
    layer.restart_below = None
    layer(vectors, training=True)
    assert array(layer.codebook)[2:].min() > 90.0


def test_nothing_changes_outside_training():
    layer, vectors = far_and_near()
    before = [array(variable) for variable in layer.variables]
    layer(vectors)
    layer(vectors, training=False)
    for variable, value in zip(layer.variables, before, strict=True):
        np.testing.assert_array_equal(array(variable), value)


def test_it_computes_in_float32_under_mixed_precision():
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = built()
    finally:
        keras.config.set_dtype_policy(policy)
    # In bfloat16 both would be 1.0.
    layer.codebook.assign(np.array([[1.0, 0, 0], [1.002, 0, 0], *[[9.0, 9, 9]] * 3], "float32"))
    codes, _, passed = layer(np.array([[1.0015, 0, 0], [1.0005, 0, 0]], "float32"))
    np.testing.assert_array_equal(array(codes), [1, 0])
    assert array(passed).dtype == np.float32
    assert layer.codebook.dtype == "float32"


def test_perplexity():
    codes = np.array([[0, 1, 1], [3, 3, 3]])
    shares = np.array([1, 2, 3]) / 6.0
    expected = np.exp(-np.sum(shares * np.log(shares)))
    assert float(perplexity(codes, 7)) == pytest.approx(expected, rel=1e-5)
    assert float(perplexity(np.zeros(9, "int32"), 4)) == pytest.approx(1.0, rel=1e-5)
    assert float(perplexity(np.arange(8), 8)) == pytest.approx(8.0, rel=1e-5)


def test_the_configuration_rebuilds_the_layer():
    layer = VectorQuantizer(4, 2, "ema", decay=0.8, epsilon=0.1, restart_below=0.2, name="codes")
    assert VectorQuantizer.from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning": "gradient"}, "is learned by"),
        ({"learning": "loss", "restart_below": 0.1}, "needs a codebook"),
        ({"restart_below": 1.0}, "between 0 and 1"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        VectorQuantizer(4, 2, **options)
    with pytest.raises(ValueError, match="length 2, got 3"):
        VectorQuantizer(4, 2).build((None, 3))
