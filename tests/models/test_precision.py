"""Mixed precision: the networks compute in bfloat16, and the training follows that of float32."""

import keras
import numpy as np
import pytest

from gm_keras import backend, registry
from tests.systems import batch, build

pytestmark = pytest.mark.backend

STEPS = 4


def curve(name: str, precision: str) -> tuple[np.ndarray, keras.Model]:
    """The losses of the first steps, each on a batch of its own."""
    backend.set_seed(5)
    model = build(name, precision)
    rows = []
    for seed in range(STEPS):
        model.reset_metrics()
        logs = model.train_on_batch(batch(model, seed), return_dict=True)
        rows.append([float(logs[f"{phase.name}_loss"]) for phase in model.phase_list])
    return np.array(rows), model


@pytest.mark.parametrize("name", registry.names())
def test_the_curve_follows_that_of_float32(name):
    exact, _ = curve(name, "float32")
    mixed, model = curve(name, "bfloat16")
    computing = {layer.compute_dtype for layer in model._flatten_layers() if layer.weights}
    assert "bfloat16" in computing, "nothing computes in bfloat16"
    assert {str(v.dtype) for v in model.trainable_variables} == {"float32"}
    assert np.isfinite(mixed).all()
    # bfloat16 keeps 8 bits: an error of 0.4 % a value, and what four steps make of it.
    scale = np.maximum(np.abs(exact).max(axis=0), 0.1)
    assert (np.abs(mixed - exact) / scale).max() < 0.1
