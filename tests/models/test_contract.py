"""What every system in the registry promises, whatever the backend: trained without graphs, which is soonest done.

What compiled code promises on each backend is in test_compiled.py.
"""

import contextlib
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest

from gm_keras import backend, registry
from gm_keras.core import ClassifierMixin, GenerativeModel
from pipelines.shared import catalog
from tests import systems
from tests.systems import arrays, batch, forget, names, original

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


def build(name: str, *arguments: Any, **changes: Any) -> GenerativeModel:
    """A system whose steps run one operation after the other."""
    model = systems.build(name, *arguments, **changes)
    model.run_eagerly = True
    return model


@pytest.fixture(scope="module", params=names())
def name(request) -> Iterator[str]:
    yield request.param
    forget()


@pytest.fixture(scope="module")
def model(name) -> GenerativeModel:
    """One model for all tests of a system."""
    backend.set_seed(7)
    return build(name)


def test_the_recipe_tells_the_truth(name):
    name = original(name)
    recipe = catalog.recipe(name)
    cls = registry.get(name)
    offered = cls.offers | ({"conditional"} if "conditional" in recipe.capabilities else set())
    offered |= {"classifier"} if issubclass(cls, ClassifierMixin) else set()
    assert set(recipe.capabilities) == offered
    assert cls.__module__ == f"gm_keras.models.{recipe.family}.{name}"


def test_every_trainable_variable_is_in_a_phase(model):
    in_phases = {id(v) for phase in model._phases_of_all_stages() for v in phase.variables}
    assert {id(v) for v in model.trainable_variables} == in_phases


def test_convolutions_are_ours(model):
    """Keras' own are slow on a CPU, and some have no second derivative."""
    stock = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv2DTranspose)
    for layer in model._flatten_layers():
        if isinstance(layer, stock):
            assert type(layer).__module__.startswith("gm_keras."), layer.name


def test_a_model_without_classes_takes_no_notice_of_labels(name):
    if "conditional" not in catalog.recipe(original(name)).capabilities:
        pytest.skip("never has classes")
    model = build(name, num_classes=None)
    data = batch(model)
    labelled = {**data, "label": np.zeros(len(data[model.data_field]), "int32")}
    losses = model.test_on_batch(labelled, return_dict=True)
    assert all(np.isfinite(loss) for loss in losses.values())


@contextlib.contextmanager
def restored(model: GenerativeModel) -> Iterator[None]:
    """Afterwards the model is as it was before, whatever happens to its state."""
    variables = [*model.variables, *model.optimizer.variables]
    before = [keras.ops.convert_to_numpy(each).copy() for each in variables]
    try:
        yield
    finally:
        for variable, value in zip(variables, before, strict=True):
            variable.assign(value)


def test_each_phase_changes_its_networks_and_nothing_else(name, model):
    if len(model.phase_list) == len(model.stages) == 1:
        with restored(model):
            _train_one_phase(model, model.stage, 0)
        return
    for stage in model.stages:
        model.enter_stage(stage)
        for index in range(len(model.phase_list)):
            backend.set_seed(3)
            alone = build(name)
            alone.enter_stage(stage)
            _train_one_phase(alone, stage, index)
    model.enter_stage(model.stages[0])


def _train_one_phase(model: GenerativeModel, stage: str, index: int) -> None:
    # Small weights in a zero-initialized last layer would hide what stands before it.
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(5).normal(0.0, 0.05, variable.shape))
    phase = model.phase_list[index]
    if len(model.phase_list) > 1:
        model.phase_list = (phase,)
    own = [v for network in phase.networks for v in network.variables]
    # What a model keeps besides its networks (chains, counters) is no business of this test.
    layers = [v for layer in model._flatten_layers() if layer is not model for v in layer.weights]
    own_ids = {id(each) for each in own}
    others = [v for v in layers if id(v) not in own_ids]
    before, others_before = arrays(phase.variables), arrays(others)
    model.train_on_batch(batch(model))
    changed = {
        key: not np.array_equal(value, before[key])
        for key, value in arrays(phase.variables).items()
    }
    assert any(changed.values()), phase.name
    assert np.mean(list(changed.values())) > 0.5, [key for key in changed if not changed[key]]
    for key, value in arrays(others).items():
        np.testing.assert_array_equal(value, others_before[key], f"{stage}, {phase.name}: {key}")


def first_losses(model: GenerativeModel) -> np.ndarray:
    """Of a step, and of the weights that it came to on another batch."""
    rows = []
    for seed, call in enumerate((model.train_on_batch, model.test_on_batch)):
        model.reset_metrics()
        logs = call(batch(model, seed), return_dict=True)
        rows.append([float(logs[f"{phase.name}_loss"]) for phase in model.phase_list])
    return np.array(rows)


def test_in_mixed_precision_the_training_follows_that_of_float32(name, model):
    backend.set_seed(5)
    mixed = build(name, "bfloat16")
    with restored(model):
        theirs = (*mixed.variables, *mixed.optimizer.variables)
        for variable, other in zip(
            (*model.variables, *model.optimizer.variables), theirs, strict=True
        ):
            variable.assign(keras.ops.convert_to_numpy(other))
        exact = first_losses(model)
    actual = first_losses(mixed)
    computing = {layer.compute_dtype for layer in mixed._flatten_layers() if layer.weights}
    assert "bfloat16" in computing, "nothing computes in bfloat16"
    assert {str(v.dtype) for v in mixed.trainable_variables} == {"float32"}
    assert np.isfinite(actual).all()
    # bfloat16 keeps 8 bits: an error of 0.4 % a value, and what a step makes of it.
    scale = np.maximum(np.abs(exact).max(axis=0), 0.1)
    # The mean of scores, as a hinge has it, may pass through zero: its own size says nothing then.
    crossing = (exact.min(axis=0) < 0.0) & (exact.max(axis=0) > 0.0)
    scale = np.where(crossing, np.abs(exact).max(), scale)
    assert (np.abs(actual - exact) / scale).max() < 0.1


def test_testing_changes_no_weight(model):
    before = arrays(model.weights)
    model.test_on_batch(batch(model))
    for key, value in arrays(model.weights).items():
        np.testing.assert_array_equal(value, before[key], key)


def test_what_cannot_sample_says_so(model):
    if "sampler" in model.capabilities:
        pytest.skip("it can")
    with pytest.raises(ValueError, match="cannot sample"):
        model.sample(4)


def test_wrong_requests_are_refused(model):
    with pytest.raises(ValueError, match="has no stage"):
        model.enter_stage("nowhere")
    if "sampler" in model.capabilities:
        _test_wrong_numbers_and_labels(model)
    with pytest.raises(TypeError, match="no argument"):
        type(model)(no_such_argument=1)
    right = batch(model)
    for field in model.fields:
        with pytest.raises(ValueError, match="was built for examples of shape"):
            model.train_on_batch({**right, field: right[field][..., None]})
        with pytest.raises(ValueError, match="expected a field"):
            model.train_on_batch({key: right[key] for key in right if key != field} | {"other": 1})


def _test_wrong_numbers_and_labels(model):
    with pytest.raises(ValueError, match="at least 1"):
        model.sample(0)
    if model.num_classes:
        with pytest.raises(ValueError, match="out of range"):
            model.sample(2, label=model.num_classes)
    else:
        with pytest.raises(ValueError, match="without labels"):
            model.sample(2, label=0)


def test_plain_arrays_are_fields_in_order(model):
    data = batch(model)
    x, *rest = (data[field] for field in model.fields)
    y = rest[0] if rest else data.get("label")
    assert len(rest) < 2
    expected = model.test_on_batch(data, return_dict=True)
    assert model.test_on_batch(x, y, return_dict=True).keys() == expected.keys()


def test_autoencoders_reconstruct_and_interpolate(model):
    if "autoencoder" not in model.capabilities:
        pytest.skip("not an autoencoder")
    data = batch(model)
    x, label = data[model.data_field], data.get("label")
    assert tuple(model.reconstruct(x, label=label).shape) == x.shape
    path = model.interpolate(x, x[::-1], 3, label=label)
    assert path.shape == (3, *x.shape)
    ends = keras.ops.convert_to_numpy(model.reconstruct(x, label=label))
    np.testing.assert_allclose(path[0], ends, atol=1e-4)


def test_the_configuration_rebuilds_the_model(model):
    copy = type(model).from_config(model.get_config())
    assert copy.get_config() == model.get_config()
    copy.set_weights(model.get_weights())
    for one, other in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_keras_file_holds_the_whole_model(model, tmp_path):
    model.train_on_batch(batch(model))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    # The losses draw noise: its seeds are in the file, too.
    losses = []
    for each in (model, loaded):
        each.reset_metrics()
        losses.append(each.test_on_batch(batch(each, 1), return_dict=True))
    for name, value in losses[0].items():
        np.testing.assert_array_equal(losses[1][name], value, name)


def test_inference_networks_stand_alone(model, tmp_path):
    for network_name, network in model.inference_networks().items():
        path = tmp_path / f"{network_name}.keras"
        network.save(path)
        copy = keras.saving.load_model(path)
        inputs = [np.zeros((2, *each.shape[1:]), each.dtype) for each in copy.inputs]
        outputs, expected = (
            each(inputs if len(inputs) > 1 else inputs[0]) for each in (copy, network)
        )
        for one, other in zip(
            keras.tree.flatten(outputs), keras.tree.flatten(expected), strict=True
        ):
            np.testing.assert_array_equal(
                keras.ops.convert_to_numpy(one), keras.ops.convert_to_numpy(other)
            )
