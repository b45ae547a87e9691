"""The orthogonal penalty by hand."""

import numpy as np
import pytest
from keras import ops

from gm_keras.losses.orthogonality import orthogonal_penalty

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


def test_against_the_products_of_columns():
    # Columns (1, 2), (3, 0) and (0, -1): products 3, -2 and 0, each counted twice.
    kernel = np.array([[1.0, 3.0, 0.0], [2.0, 0.0, -1.0]], "float32")
    assert float(orthogonal_penalty(kernel)) == pytest.approx(2.0 * (9.0 + 4.0))


def test_it_leaves_lengths_free_and_sees_all_inputs_of_a_convolution():
    kernel = np.zeros((2, 1, 2, 3), "float32")
    kernel[0, 0, 0, 0], kernel[1, 0, 0, 1], kernel[1, 0, 1, 2] = 5.0, -3.0, 2.0
    assert float(orthogonal_penalty(kernel)) == 0.0
    kernel[1, 0, 1, 1] = 1.0
    assert float(ops.convert_to_numpy(orthogonal_penalty(kernel))) == pytest.approx(8.0)
