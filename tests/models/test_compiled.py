"""What every system promises of its compiled code on each backend: one training, one sampler, and all that they must do.

The training is the one of the comparison of backends, as users have it compiled: with XLA under TensorFlow too.
"""

import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest

from gm_keras import backend
from gm_keras.core import GenerativeModel
from tests.parity import training
from tests.systems import arrays, batch, build, forget, made, names, state

pytestmark = [pytest.mark.backend, pytest.mark.fused]

#: TensorFlow compiles a loaded model's step anew, which is a third of what a system costs it; JAX finds it in its cache.
#: There one system does; of the others, the compiled step of the saved model goes on from the values of the loaded one.
COMPILED_TWICE = "vae"


@dataclass
class Trained:
    """A system after its training, and what was seen of it."""

    name: str
    model: GenerativeModel
    curves: list[dict[str, float]]
    losses: dict[str, float]
    untested: dict[str, np.ndarray]
    answers: dict[str, np.ndarray]


@pytest.fixture(scope="module", params=names())
def name(request) -> Iterator[str]:
    yield request.param
    forget()


@pytest.fixture(scope="module")
def trained(name) -> Trained:
    """One training for all tests of a system: compiling is what takes the time."""
    model = training.built(name)
    curves = training.train(model)
    untested = arrays(model.weights)
    losses = training.test(model)
    return Trained(name, model, curves, losses, untested, training.answers(model))


def test_losses_are_finite_and_reported(trained):
    logs = {curve for step in trained.curves for curve in step}
    phases = [phase.name for phase in trained.model._phases_of_all_stages()]
    assert {f"{phase}_loss" for phase in phases} <= logs
    for step in (*trained.curves, trained.losses):
        assert all(math.isfinite(value) for value in step.values())


def test_testing_changes_no_weight(trained):
    # Before what follows trains the model on.
    for key, value in arrays(trained.model.weights).items():
        np.testing.assert_array_equal(value, trained.untested[key], key)


def test_the_training_is_kept_for_the_comparison_of_backends(trained, tmp_path):
    folder = Path(os.environ.get("GM_KERAS_TEST_RECORDS", tmp_path)) / backend.name
    path = folder / f"{trained.name}.npz"
    training.write(path, trained.model, trained.curves, trained.losses, trained.answers)
    assert len(np.load(path).files) > len(trained.model.weights)


def test_likelihoods_are_one_number_for_each_example(trained):
    model = trained.model
    size = len(batch(model)[model.data_field])
    for capability, method in (("density", "log_prob"), ("bound", "elbo")):
        assert (capability in model.capabilities) == (method in trained.answers)
        if capability in model.capabilities:
            assert trained.answers[method].shape == (size,)
            assert np.isfinite(trained.answers[method]).all()
            assert model.nats_of in ("discrete", "density", "relaxed")


def test_samples_have_the_shape_and_range_of_the_data(trained):
    model = trained.model
    samples = made(model, 3)
    assert samples.shape == (4, *model.data_shape)
    assert samples.dtype == ("int32" if model.data_field == "tokens" else "float32")
    assert np.isfinite(samples).all()
    if model.data_field == "tokens":
        assert 0 <= samples.min() <= samples.max() < model.vocabulary_size
    elif len(model.data_shape) == 3:
        assert np.abs(samples).max() <= 1.0 + 1e-6
    if model.num_classes and "sampler" in model.capabilities:
        assert len(model.sample(4, label=[0, 1, 1, model.num_classes - 1])) == 4


def test_a_seed_decides_the_sample(trained):
    first = made(trained.model, 3)
    np.testing.assert_array_equal(first, made(trained.model, 3))
    assert not np.array_equal(first, made(trained.model, 4))
    assert len(np.unique(first, axis=0)) > 1


def test_samples_in_parts(trained):
    if "sampler" not in trained.model.capabilities:
        pytest.skip("no sampler")
    samples = trained.model.sample(6, seed=3, batch_size=4)
    assert samples.shape == (6, *trained.model.data_shape)


def go_on(model: GenerativeModel) -> None:
    with training.given_noise():
        for seed in range(2):
            model.train_on_batch(batch(model, seed))


def everything(model: GenerativeModel) -> list[keras.Variable]:
    """All that a training changes."""
    return [*model.variables, *model.optimizer.variables]


def test_resuming_equals_never_stopping(trained, tmp_path):
    model = trained.model
    model.save(tmp_path / "model.keras")
    # As in a new process, layers are counted from the start: TensorFlow adds up in the order of their names.
    keras.utils.clear_session(free_memory=False)
    resumed = keras.saving.load_model(tmp_path / "model.keras")
    assert resumed.stage == model.stages[-1]
    # Sequences come back as lists.
    assert json.dumps(resumed.get_config()) == json.dumps(model.get_config())
    for layer in resumed._flatten_layers():
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    go_on(model)
    expected = state(model)
    if backend.name == "tensorflow" and trained.name != COMPILED_TWICE:
        for variable, value in zip(everything(model), everything(resumed), strict=True):
            variable.assign(value)
        resumed = model
    go_on(resumed)
    actual = state(resumed)
    assert len(actual) == len(expected)
    for (key, value), other in zip(expected.items(), actual.values(), strict=True):
        np.testing.assert_array_equal(other, value, key)


@pytest.mark.skipif(backend.name != "jax", reason="test_contract.py has every system on TensorFlow")
@pytest.mark.parametrize("first", ["vae"])
def test_a_compiled_step_in_bfloat16_follows_that_in_float32(first):
    losses = []
    for precision in ("float32", "bfloat16"):
        backend.set_seed(5)
        model = build(first, precision)
        losses.append(float(model.train_on_batch(batch(model), return_dict=True)["loss"]))
    assert losses[1] == pytest.approx(losses[0], rel=0.1)
    assert "bfloat16" in {layer.compute_dtype for layer in model._flatten_layers()}
