"""Optimizers from their blocks in `params.yaml`: schedules, clipping, accumulation, averages."""

import keras
import numpy as np
import pytest

from pipelines.build import build_optimizer
from pipelines.errors import UserError
from tests.systems import arrays, batch, build

pytestmark = pytest.mark.backend


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
    still = {"learning_rate": 0.0}
    block = {"learning_rate": 0.1, "gradient_accumulation_steps": 3}
    seen = trained({"discriminator": still, "generator": block}, 4)
    for one, other in zip(seen[0], seen[2], strict=True):
        np.testing.assert_array_equal(one, other)
    assert any(not np.array_equal(*pair) for pair in zip(seen[2], seen[3], strict=True))
    for one, other in zip(seen[3], seen[4], strict=True):
        np.testing.assert_array_equal(one, other)


def test_clipping_is_of_one_optimizer_and_bounds_its_step():
    still = {"learning_rate": 0.0}
    block = {"learning_rate": 1.0, "global_clipnorm": 1e-3}
    before, after = trained({"discriminator": still, "generator": block}, 1)
    squares = [np.sum((a - b) ** 2) for a, b in zip(after, before, strict=True)]
    assert np.sqrt(np.sum(squares)) == pytest.approx(1e-3, rel=1e-2)
