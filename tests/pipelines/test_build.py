"""Optimizers from their blocks in `params.yaml`: schedules, clipping, accumulation, averages."""

import inspect
from types import SimpleNamespace

import keras
import numpy as np
import pytest

from gm_keras.core import io
from pipelines.report import inputs
from pipelines.running import facts
from pipelines.running.build import build_model, build_optimizer, check_sampling
from pipelines.settings import optimizer_settings
from pipelines.shared.errors import UserError
from tests.systems import arrays, batch, build

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


def make(**block):
    return build_optimizer("here", {"class": "sgd", **block}, batch_size=50)


def test_a_schedule_follows_its_formula():
    rate = {
        "schedule": "cosine_decay",
        "initial_learning_rate": 0.0,
        "warmup_target": 0.1,
        "warmup_steps": 4,
        "decay_steps": 10,
        "alpha": 0.1,
    }
    optimizer = make(learning_rate=rate)
    variable = keras.Variable(0.0)
    optimizer.build([variable])
    seen = []
    for _ in range(20):
        seen.append(float(keras.ops.convert_to_numpy(optimizer.learning_rate)))
        optimizer.apply([keras.ops.ones(())], [variable])
    warm = [0.1 * step / 4 for step in range(4)]
    down = [0.01 + 0.09 * 0.5 * (1 + np.cos(np.pi * min(step, 10) / 10)) for step in range(16)]
    np.testing.assert_allclose(seen, warm + down, atol=1e-7)
    np.testing.assert_allclose(float(variable.value), -sum(seen), rtol=1e-5)


def test_the_half_life_is_in_examples():
    optimizer = make(ema_half_life=1000)
    assert optimizer.use_ema
    # 20 steps of 50 examples halve what an average remembers.
    assert optimizer.ema_momentum**20 == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("block", "parts"),
    [
        (
            {"learning_rate": {"schedule": "cosine"}},
            ["here.learning_rate.schedule", '"cosine_decay"'],
        ),
        (
            {"learning_rate": {"schedule": "cosine_decay", "steps": 3}},
            ["here.learning_rate.steps", "decay_steps"],
        ),
        ({"learning_rate": {"schedule": "cosine_decay"}}, ["here.learning_rate", "missing"]),
        ({"ema_half_life": 0}, ["ema_half_life", "above 0"]),
        ({"ema_half_life": 10, "ema_momentum": 0.9}, ["not both"]),
        ({"clipnorms": 1.0}, ["here.clipnorms", '"clipnorm"']),
    ],
)
def test_mistakes_get_one_line(block, parts):
    with pytest.raises(UserError) as caught:
        make(**block)
    for part in parts:
        assert part in str(caught.value)


def classes(module, base):
    found = {
        member
        for member in vars(module).values()
        if inspect.isclass(member) and issubclass(member, base) and member is not base
    }
    return {optimizer_settings.plain(each.__name__): each for each in found}


def parameters(cls):
    return set(inspect.signature(cls.__init__).parameters) - {"self", "name", "kwargs"}


def test_the_table_of_optimizers_is_that_of_keras():
    found = classes(keras.optimizers, keras.optimizers.Optimizer)
    wrap_others = {"lossscaleoptimizer", "multioptimizer"}
    table = {
        optimizer_settings.plain(name): own for name, own in optimizer_settings.OPTIMIZERS.items()
    }
    assert set(found) - wrap_others <= set(table)
    for name in set(found) - wrap_others:
        known = {*table[name], *optimizer_settings.COMMON} - {"ema_half_life"}
        assert parameters(found[name]) == known, name


def test_the_table_of_schedules_is_that_of_keras():
    schedules = keras.optimizers.schedules
    found = classes(schedules, schedules.LearningRateSchedule)
    assert set(found) == {optimizer_settings.plain(name) for name in optimizer_settings.SCHEDULES}
    for name, (needed, others) in optimizer_settings.SCHEDULES.items():
        cls = found[optimizer_settings.plain(name)]
        defaults = inspect.signature(cls.__init__).parameters
        assert parameters(cls) == {*needed, *others}, name
        assert {
            each for each in parameters(cls) if defaults[each].default is inspect.Parameter.empty
        } == {*needed}


def system(**blocks):
    fit = SimpleNamespace(precision="float32")
    block = {"class_name": "vae", "data": "digits", "model": {}, "sample": {}, "fit": fit}
    return SimpleNamespace(**{**block, **blocks})


DIGITS = SimpleNamespace(
    primary="image",
    example_shape=(8, 8, 1),
    levels=17,
    num_classes=10,
    info={"fields": {"image": {}, "label": {}}},
)


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        ({"latent_dim": -3}, "params.yaml: systems.mine.model.latent_dim"),
        ({"units": [], "network": "dense"}, "params.yaml: systems.mine.model"),
        ({"network": "x"}, "params.yaml: systems.mine.model.network"),
        ({"num_classes": 3}, "params.yaml: systems.mine.model.num_classes"),
        ({"image_shape": [4, 4, 1]}, "params.yaml: systems.mine.model.image_shape"),
    ],
)
def test_errors_of_constructors_name_the_key(arguments, start):
    with pytest.raises(UserError) as caught:
        build_model("mine", system(model=arguments), DIGITS)
    assert str(caught.value).startswith(start)
    assert "\n" not in str(caught.value)


@pytest.fixture(scope="module")
def diffusion():
    return build("ddpm")


@pytest.mark.parametrize(
    ("options", "start"),
    [
        ({"steps": 50}, "params.yaml: systems.mine.sample"),
        ({"eta": -1.0}, "params.yaml: systems.mine.sample.eta"),
        ({"noize": True}, "params.yaml: systems.mine.sample: "),
    ],
)
def test_options_of_a_sampler_are_held_against_the_built_model(diffusion, options, start):
    check_sampling("mine", system(sample={"steps": 5}), diffusion)
    with pytest.raises(UserError) as caught:
        check_sampling("mine", system(sample=options), diffusion)
    assert str(caught.value).startswith(start)
    assert "\n" not in str(caught.value)


def trained(optimizers, steps):
    model = build("dcgan")
    # Momentum would mix the updates, and batch statistics the halves of a batch: plain steps only.
    model.compile({name: make(**block) for name, block in optimizers.items()})
    for index, variable in enumerate(model.trainable_variables):
        shape = variable.shape
        variable.assign(np.random.default_rng(index).normal(0.0, 0.1, shape).astype("float32"))
    seen = [arrays(model.trainable_variables)]
    for step in range(steps):
        model.train_on_batch(batch(model, step))
        seen.append(arrays(model.trainable_variables))
    generator = {id(variable) for variable in model.generator.trainable_variables}
    own = [id(variable) in generator for variable in model.trainable_variables]
    return [
        [value for value, mine in zip(each.values(), own, strict=True) if mine] for each in seen
    ]


def test_accumulated_gradients_are_applied_together():
    still = {"learning_rate": 1e-30}
    block = {"learning_rate": 0.1, "gradient_accumulation_steps": 3}
    seen = trained({"discriminator": still, "generator": block}, 4)
    for one, other in zip(seen[0], seen[2], strict=True):
        np.testing.assert_array_equal(one, other)
    assert any(not np.array_equal(*pair) for pair in zip(seen[2], seen[3], strict=True))
    for one, other in zip(seen[3], seen[4], strict=True):
        np.testing.assert_array_equal(one, other)


def test_clipping_is_of_one_optimizer_and_bounds_its_step():
    still = {"learning_rate": 1e-30}
    block = {"learning_rate": 1.0, "global_clipnorm": 1e-3}
    before, after = trained({"discriminator": still, "generator": block}, 1)
    squares = [np.sum((a - b) ** 2) for a, b in zip(after, before, strict=True)]
    assert np.sqrt(np.sum(squares)) == pytest.approx(1e-3, rel=1e-2)


def test_a_training_and_the_report_count_the_same_parameters(tmp_path):
    model = build("vae")
    io.save(model, tmp_path)
    counted = inputs.count_parameters(tmp_path / "model.weights.h5", "dvc repro")
    assert facts.parameters(model) == counted
    # The step is a number too, but nothing that is learned.
    assert 0 < counted < model.count_params()
