"""Our convolutions: values, gradients and second gradients are those of Keras' own."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.layers.convolution import Conv1D, Conv2D, Conv2DTranspose
from gm_keras.ops.convolution import convolve, convolve_transposed

pytestmark = pytest.mark.backend

CPU_TENSORFLOW = backend.name == "tensorflow"
# (dimensions, kernel, strides, dilation, padding, groups)
SHAPES = [
    (1, 3, 1, 1, "same", 1),
    (1, 2, 1, 4, "valid", 1),
    (1, 4, 3, 1, "same", 2),
    (2, 1, 1, 1, "same", 1),
    (2, 3, 1, 1, "same", 1),
    (2, 3, 2, 1, "same", 1),
    (2, 4, 2, 1, "valid", 1),
    (2, 3, 1, 2, "same", 1),
    (2, (3, 2), (1, 3), 1, "same", 1),
    (2, 3, 2, 1, "same", 3),
    (2, 3, 1, 1, "same", 6),
    (2, 2, 3, 1, "same", 1),
]


def values(shape, seed, dtype="float32"):
    return ops.cast(np.random.default_rng(seed).normal(size=shape), dtype)


def each(value, dimensions):
    return (value,) * dimensions if isinstance(value, int) else value


def arguments(dimensions, kernel, groups):
    size = (9, 7)[:dimensions]
    inputs = values((2, *size, 6), 0)
    return inputs, values((*each(kernel, dimensions), 6 // groups, 12), 1)


def derivatives(function, inputs, kernel):
    """Gradients with respect to both, and the gradients of a function of these gradients."""

    def gradients(inputs, kernel):
        # The square makes each gradient depend on both.
        return [
            backend.gradient(lambda x: ops.square(function(x, kernel)), inputs, []),
            backend.gradient(lambda w: ops.square(function(inputs, w)), kernel, []),
        ]

    def mixed(inputs, kernel):
        return sum(ops.sum(ops.sin(each)) for each in gradients(inputs, kernel))

    second = [
        backend.gradient(lambda x: mixed(x, kernel), inputs, []),
        backend.gradient(lambda w: mixed(inputs, w), kernel, []),
    ]
    return [*gradients(inputs, kernel), *second]


def assert_same(ours, stock, inputs, kernel, tolerance=2e-4):
    if backend.kernels() is None:
        # Made of Keras' operations, whose derivatives are the backend's own.
        results = [[function(inputs, kernel)] for function in (ours, stock)]
    else:
        # Compiled, as in a training, and in a tenth of the time.
        compute = [
            backend.compile_function(
                lambda x, w, function=function: [function(x, w), *derivatives(function, x, w)], []
            )
            for function in (ours, stock)
        ]
        results = [function(inputs, kernel) for function in compute]
    for got, expected in zip(*results, strict=True):
        assert got.shape == expected.shape
        scale = float(ops.max(ops.abs(expected))) + 1e-12
        difference = float(ops.max(ops.abs(got - expected)))
        assert difference < tolerance * scale


@pytest.mark.parametrize(
    ("dimensions", "kernel", "strides", "dilation", "padding", "groups"), SHAPES
)
def test_a_convolution_is_that_of_keras(dimensions, kernel, strides, dilation, padding, groups):
    if CPU_TENSORFLOW and groups > 1:
        pytest.skip("TensorFlow has no gradients of convolutions in groups on a CPU")
    inputs, kernel = arguments(dimensions, kernel, groups)

    def stock(x, w):
        return ops.conv(x, w, strides, padding, "channels_last", dilation)

    assert_same(lambda x, w: convolve(x, w, strides, padding, dilation), stock, inputs, kernel)


@pytest.mark.parametrize(
    ("kernel", "strides", "padding", "output_padding"),
    [
        (4, 2, "same", None),
        (3, 2, "same", None),
        (3, 1, "same", None),
        (2, 3, "same", None),
        (3, 2, "same", 1),
        (3, 2, "valid", None),
        (2, 3, "valid", None),
        (5, (2, 1), "valid", None),
    ],
)
def test_a_transposed_convolution_is_that_of_keras(kernel, strides, padding, output_padding):
    inputs, weights = values((2, 4, 5, 6), 0), values((*each(kernel, 2), 3, 6), 1)

    def stock(x, w):
        return ops.conv_transpose(x, w, strides, padding, output_padding, "channels_last")

    def ours(x, w):
        return convolve_transposed(x, w, strides, padding, output_padding)

    assert_same(ours, stock, inputs, weights)


# XLA alone computes some of those with negative numbers wrong, values or gradients.
@pytest.mark.parametrize(
    ("kernel", "padding"),
    [
        (3, ((2, 0), (1, 1))),
        (3, ((0, 3), (0, 0))),
        (3, ((1, -1), (2, -2))),
        (3, ((0, 0), (-1, 1))),
        ((2, 3), ((0, 0), (-1, 1))),
        ((2, 3), ((1, 0), (3, -1))),
        (1, ((0, 0), (1, -1))),
        ((1, 3), ((1, -1), (1, 1))),
    ],
)
def test_any_padding(kernel, padding):
    inputs, kernel = arguments(2, kernel, 1)

    def stock(x, w):
        kept = [slice(max(-before, 0), min(after, 0) or None) for before, after in padding]
        zeros = [(max(before, 0), max(after, 0)) for before, after in padding]
        x = ops.pad(x[(slice(None), *kept)], ((0, 0), *zeros, (0, 0)))
        return ops.conv(x, w, 1, "valid", "channels_last")

    assert_same(lambda x, w: convolve(x, w, padding=padding), stock, inputs, kernel)


@pytest.mark.parametrize(("kernel", "strides"), [(3, 2), (4, 2), ((5, 2), (2, 1))])
def test_large_images_are_taken_in_parts_and_phases(kernel, strides):
    # Small numbers: the sine of large gradients has few digits left.
    inputs = 0.05 * values((16, 64, 64, 16), 0)
    weights = 0.05 * values((*each(kernel, 2), 16, 4), 1)

    def stock(x, w):
        return ops.conv(x, w, strides, "same", "channels_last")

    assert_same(lambda x, w: convolve(x, w, strides), stock, inputs, weights)


def test_bfloat16_stays_bfloat16():
    inputs, kernel = arguments(2, 3, 1)
    inputs, kernel = ops.cast(inputs, "bfloat16"), ops.cast(kernel, "bfloat16")
    outputs = convolve(inputs, kernel, 2)
    gradient = backend.gradient(lambda w: convolve(inputs, w, 2), kernel, [])
    assert {keras.backend.standardize_dtype(each.dtype) for each in (outputs, gradient)} == {
        "bfloat16"
    }
    wide = ops.conv(
        ops.cast(inputs, "float32"), ops.cast(kernel, "float32"), 2, "same", "channels_last"
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(ops.cast(outputs, "float32")), wide, rtol=0.05, atol=0.1
    )


def test_within_a_loop_and_a_branch():
    inputs, kernel = arguments(2, 3, 1)
    kernel = kernel[..., :6]

    def step(index, total):
        del index
        return total + backend.gradient(
            lambda w: ops.square(convolve(inputs, w)), kernel + total, []
        )

    expected = step(1, step(0, ops.zeros_like(kernel)))
    looped = backend.compile_function(lambda zeros: ops.fori_loop(0, 2, step, zeros), [])(
        ops.zeros_like(kernel)
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(looped), ops.convert_to_numpy(expected), rtol=1e-3
    )


@pytest.mark.parametrize(
    ("ours", "stock", "options", "shape"),
    [
        (Conv1D, keras.layers.Conv1D, {"padding": "causal", "dilation_rate": 2}, (2, 9, 4)),
        (Conv1D, keras.layers.Conv1D, {"padding": "same", "strides": 2}, (2, 9, 4)),
        (Conv2D, keras.layers.Conv2D, {"padding": "same", "activation": "relu"}, (2, 8, 6, 4)),
        (
            Conv2DTranspose,
            keras.layers.Conv2DTranspose,
            {"strides": 2, "use_bias": False},
            (2, 4, 3, 4),
        ),
    ],
)
def test_layers_have_the_weights_and_values_of_those_of_keras(ours, stock, options, shape):
    inputs = values(shape, 0)
    first, second = ours(5, 3, **options), stock(5, 3, **options)
    second(inputs)
    first(inputs)
    first.set_weights(second.get_weights())
    np.testing.assert_allclose(
        ops.convert_to_numpy(first(inputs)), ops.convert_to_numpy(second(inputs)), atol=1e-5
    )
    again = type(first).from_config(first.get_config())
    assert again.compute_output_shape(shape) == second.compute_output_shape(shape)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda x: convolve(x, values((3, 3, 4, 8), 1)),
            "6 channels and 8 filters cannot be divided",
        ),
        (lambda x: convolve(x, values((3, 3, 6, 8), 1), padding="full"), "full"),
        (lambda x: convolve(x, values((9, 9, 6, 8), 1), padding=((0, 0), (0, 0))), "does not fit"),
    ],
)
def test_wrong_arguments_are_told_in_one_line(call, message):
    with pytest.raises(ValueError, match=message):
        call(values((2, 5, 5, 6), 0))
