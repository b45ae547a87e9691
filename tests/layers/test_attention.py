"""The self-attention of SAGAN against one that is written out."""

import numpy as np
import pytest
from keras import ops

from gm_keras.layers.attention import GatedSelfAttention

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

X = np.random.default_rng(0).normal(size=(2, 4, 6, 16)).astype("float32")


def test_a_new_layer_passes_its_input_on():
    layer = GatedSelfAttention()
    np.testing.assert_array_equal(ops.convert_to_numpy(layer(X)), X)
    layer.gamma.assign(0.5)
    assert not np.allclose(ops.convert_to_numpy(layer(X)), X, atol=1e-3)


def test_against_sums_over_pixels():
    layer = GatedSelfAttention()
    layer(X)
    layer.gamma.assign(0.7)
    queries, keys, values, output = (
        ops.convert_to_numpy(each.normalized_kernel())
        for each in (layer.queries, layer.keys, layer.values, layer.output_projection)
    )
    expected = X.copy()
    for example, image in enumerate(X):
        # The largest of 2 x 2 pixels, for each channel.
        blocks = [
            image[row : row + 2, column : column + 2].reshape(4, 16)
            for row in range(0, 4, 2)
            for column in range(0, 6, 2)
        ]
        for row in range(4):
            for column in range(6):
                query = image[row, column] @ queries
                scores = np.array([np.exp(query @ (block @ keys).max(0)) for block in blocks])
                seen = sum(
                    weight * (block @ values).max(0)
                    for weight, block in zip(scores / scores.sum(), blocks, strict=True)
                )
                expected[example, row, column] += 0.7 * seen @ output
    np.testing.assert_allclose(ops.convert_to_numpy(layer(X)), expected, atol=1e-4)


def test_what_is_too_small_is_refused():
    with pytest.raises(ValueError, match="at least 8 channels"):
        GatedSelfAttention()(X[..., :4])
