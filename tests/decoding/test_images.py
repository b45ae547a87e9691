"""Sampling of images: caches change nothing but the time."""

import keras
import numpy as np
import pytest

from gm_keras import backend
from gm_keras.decoding.images import (
    codes_to_values,
    forced_logits,
    sample_codes,
    values_to_codes,
)
from gm_keras.networks.gated_pixelcnn import gated_pixelcnn
from gm_keras.ops.random import RandomStream

pytestmark = pytest.mark.backend

N = 4
# Shape, levels, inputs, classes, and sizes of kernels.
CASES = {
    "grey with classes": ((4, 5, 1), 3, "values", 3, (5, 7)),
    "colour with classes": ((3, 4, 3), 3, "values", 2, (3, 5)),
    "codes": ((4, 4, 1), 9, "codes", None, (3, 3)),
}


def array(tensor) -> np.ndarray:
    return keras.ops.convert_to_numpy(tensor)


class Case:
    def __init__(self, shape, levels, inputs, num_classes, sizes):
        self.network = gated_pixelcnn(
            shape,
            levels,
            filters=6,
            depth=3,
            kernel_size=sizes[0],
            first_kernel_size=sizes[1],
            hidden=9,
            inputs=inputs,
            num_classes=num_classes,
            name="network",
        )
        for index, variable in enumerate(self.network.trainable_variables):
            noise = np.random.default_rng(index).normal(size=variable.shape)
            fan_in = max(1.0, np.prod(variable.shape[:-1]))
            size = 1.5 / np.sqrt(fan_in) if noise.ndim > 1 else 0.2
            variable.assign(size * noise)
        self.levels = levels
        rng = np.random.default_rng(0)
        self.codes = rng.integers(0, levels, (N, *shape)).astype("int32")
        labels = rng.integers(0, num_classes, N).astype("int32") if num_classes else None
        self.conditions = {} if labels is None else {"label": keras.ops.convert_to_tensor(labels)}

    def compiled(self, function, given):
        call = backend.compile_function(function, self.network.variables)
        return array(call(keras.ops.convert_to_tensor(given), self.conditions))

    def logits(self, cached):
        return self.compiled(
            lambda codes, conditions: forced_logits(self.network, codes, conditions, cached=cached),
            self.codes,
        )

    def samples(self, seed, **options):
        return self.compiled(
            lambda seed, conditions: sample_codes(
                self.network, N, RandomStream(seed), conditions, **options
            ),
            np.int32(seed),
        )


# Of TensorFlow one case is enough: what differs between the backends is how a loop is compiled.
@pytest.fixture(scope="module", params=CASES if backend.name == "jax" else ["colour with classes"])
def case(request) -> Case:
    return Case(*CASES[request.param])


def test_caches_change_no_logit(case):
    grid = case.codes
    if case.network.inputs[0].dtype != "int32":
        grid = array(codes_to_values(grid, case.levels))
    inputs = [keras.ops.convert_to_tensor(grid), *case.conditions.values()]
    expected = array(case.network(inputs if len(inputs) > 1 else inputs[0]))
    assert expected.std() > 0.3
    np.testing.assert_allclose(case.logits(cached=True), expected, atol=1e-4)
    np.testing.assert_allclose(case.logits(cached=False), expected, atol=1e-4)


def test_caches_change_no_sample(case):
    samples = case.samples(5)
    assert samples.dtype == np.int32
    assert samples.shape == case.codes.shape
    assert set(np.unique(samples)) <= set(range(case.levels))
    assert samples.std() > 0.3
    np.testing.assert_array_equal(samples, case.samples(5, cached=False))
    assert not np.array_equal(samples, case.samples(6))


def test_filters_follow_the_logits():
    case = Case(*CASES["codes"])
    greedy = case.samples(0, temperature=0.0)
    np.testing.assert_array_equal(greedy, case.samples(1, top_k=1))
    case.codes = greedy
    np.testing.assert_array_equal(greedy, case.logits(cached=False).argmax(-1))


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_levels_come_back_from_their_values(levels):
    codes = np.arange(levels)
    values = array(codes_to_values(codes, levels))
    assert values[0] == -1.0
    assert values[-1] == pytest.approx(1.0, abs=1e-6)
    np.testing.assert_array_equal(array(values_to_codes(values, levels)), codes)
    # Whatever the rounding of the data, and a little beyond the ends.
    for shift in (-0.3, 0.3):
        moved = (values + shift * 2.0 / (levels - 1)).astype(
            "float16" if levels < 18 else "float32"
        )
        np.testing.assert_array_equal(array(values_to_codes(moved, levels)), codes)
