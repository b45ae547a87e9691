"""Seeds of what is computed in parts."""

from types import SimpleNamespace

import numpy as np
import pytest

from gm_keras.metrics.evaluation import Evaluation
from gm_keras.metrics.examples import BATCH
from gm_keras.metrics.features import Extractor

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


class Examples:
    split = "test"

    def __len__(self):
        return 2 * BATCH

    def __getitem__(self, rows):
        return np.zeros((len(rows), 2), "float32")

    def conditions(self, rows):
        return {}


@pytest.mark.parametrize("seed", [0, 2**31 - 1, 2**31, 2**32 - 1])
def test_every_part_has_a_seed_of_its_own_and_of_32_bits(seed):
    model = SimpleNamespace(capabilities=frozenset())
    seen = []

    def method(rows, seed, **_):
        seen.append(seed)
        return np.zeros(len(rows))

    evaluation = Evaluation(model, None, Extractor("raw"), None, seed, examples=Examples())
    assert evaluation.over_examples(method).shape == (2 * BATCH,)
    assert seen[0] == seed
    assert len(set(seen)) == 2
    assert all(0 <= each < 2**32 for each in seen)
