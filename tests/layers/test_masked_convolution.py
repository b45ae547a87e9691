"""Masked convolutions: what each output sees, against masks written out, and the gate."""

import keras
import numpy as np
import pytest

from gm_keras.layers.masked_convolution import Gate, MaskedConvolution

pytestmark = pytest.mark.backend

HEIGHT, WIDTH = 5, 6


def array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


def built(inputs: int, **options) -> MaskedConvolution:
    layer = MaskedConvolution(kernel_initializer="zeros", **options)
    layer.build((None, HEIGHT, WIDTH, inputs))
    for weight in layer.weights:
        weight.assign(np.random.default_rng(2).normal(size=weight.shape))
    return layer


def sees(layer: MaskedConvolution, inputs: int) -> np.ndarray:
    """Whether each output `(row, column, feature)` depends on each input `(row, column, feature)`."""
    shape = (HEIGHT, WIDTH, inputs)
    size = HEIGHT * WIDTH * inputs
    moved = np.eye(size + 1, size, dtype="float32").reshape(size + 1, *shape)
    outputs = array(layer(moved))
    change = outputs[:-1] - outputs[-1]
    return np.abs(change.reshape(*shape, HEIGHT, WIDTH, -1)) > 1e-6


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("strict", [True, False])
def test_the_vertical_stack_sees_the_rows_above(size, strict):
    layer = built(2, filters=4, kernel_size=size, stack="vertical", strict=strict, channels=2)
    seen = sees(layer, 2)
    for row, column, of_row, of_column in np.ndindex(HEIGHT, WIDTH, HEIGHT, WIDTH):
        above, beside = of_row - row, abs(of_column - column)
        expected = int(strict) <= above <= size // 2 and beside <= size // 2
        assert (seen[row, column, :, of_row, of_column] == expected).all()


@pytest.mark.parametrize("size", [3, 5])
@pytest.mark.parametrize("strict", [True, False])
@pytest.mark.parametrize("parts", [1, 2])
def test_the_horizontal_stack_sees_the_pixels_and_channels_before(size, strict, parts):
    channels = 3
    layer = built(
        6,
        filters=12,
        kernel_size=size,
        stack="horizontal",
        strict=strict,
        channels=channels,
        parts=parts,
    )
    seen = sees(layer, 6)
    of_input = np.repeat(np.arange(channels), 2)
    of_output = np.tile(np.repeat(np.arange(channels), 4 // parts), parts)
    own = of_input[:, None] < of_output if strict else of_input[:, None] <= of_output
    for row, column, of_row, of_column in np.ndindex(HEIGHT, WIDTH, HEIGHT, WIDTH):
        left = of_column - column
        before = of_row == row and 0 < left <= size // 2
        expected = own if (of_row, of_column) == (row, column) else np.full_like(own, before)
        np.testing.assert_array_equal(seen[row, column, :, of_row, of_column], expected)


def test_one_channel_needs_no_mask():
    layer = built(3, filters=4, kernel_size=3, stack="horizontal", strict=True)
    assert layer.window == (1, 1)
    seen = sees(layer, 3)
    for row, column, of_row, of_column in np.ndindex(HEIGHT, WIDTH, HEIGHT, WIDTH):
        expected = of_row == row and of_column == column + 1
        assert (seen[row, column, :, of_row, of_column] == expected).all()


def test_it_is_the_masked_square_convolution():
    layer = built(2, filters=3, kernel_size=5, stack="vertical")
    x = np.random.default_rng(0).normal(size=(2, HEIGHT, WIDTH, 2)).astype("float32")
    square = np.zeros((5, 5, 2, 3), "float32")
    square[:3] = array(layer.kernel)
    expected = keras.ops.conv(x, square, padding="same") + layer.bias
    np.testing.assert_allclose(array(layer(x)), array(expected), atol=1e-5)


def test_masked_weights_stay_zero_in_the_kernel_that_is_used():
    layer = built(3, filters=6, kernel_size=1, stack="horizontal", channels=3)
    kernel = array(layer.masked_kernel())[0, 0]
    np.testing.assert_array_equal(
        kernel != 0, np.repeat(np.triu(np.ones((3, 3), bool)), 2).reshape(3, 6)
    )


def test_the_configuration_rebuilds_the_layer():
    layer = MaskedConvolution(
        12, 5, "horizontal", strict=True, channels=3, parts=2, use_bias=False, name="one"
    )
    copy = MaskedConvolution.from_config(layer.get_config())
    assert copy.get_config() == layer.get_config()
    assert copy.compute_output_shape((None, 4, 4, 3)) == (None, 4, 4, 12)


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="odd and at least 1"):
        MaskedConvolution(4, 2, "vertical")
    with pytest.raises(ValueError, match="odd and at least 3"):
        MaskedConvolution(4, 1, "vertical", strict=True)
    with pytest.raises(ValueError, match="a multiple of 6"):
        MaskedConvolution(8, 3, "horizontal", channels=3, parts=2)
    with pytest.raises(ValueError, match="stack must be"):
        MaskedConvolution(4, 3, "diagonal")
    with pytest.raises(ValueError, match="4 input features"):
        MaskedConvolution(6, 3, "horizontal", channels=3)(np.zeros((1, 3, 3, 4), "float32"))


def test_the_gate():
    values = np.array([[0.5, -1.0, 0.0, 2.0]], "float32")
    expected = [[np.tanh(0.5) * 0.5, np.tanh(-1.0) / (1.0 + np.exp(-2.0))]]
    np.testing.assert_allclose(array(Gate()(values)), expected, rtol=1e-6)
