"""WGAN-GP: the penalty and its second-order gradient, fresh batches, and eight Gaussians."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.losses import penalties
from gm_keras.models.gan.wgan_gp import WGANGP
from tests.eight_gaussians import gaussians, quality
from tests.systems import arrays

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


def small(fresh_batches: bool = True, seed: int = 0, **arguments) -> WGANGP:
    keras.utils.set_random_seed(seed)
    model = WGANGP((2,), **{"latent_dim": 2, "units": (64, 64), **arguments})
    adam = {"learning_rate": 0.001, "beta_1": 0.5, "beta_2": 0.9}
    optimizers = {name: keras.optimizers.Adam(**adam) for name in ("critic", "generator")}
    model.compile(optimizers, fresh_batches=fresh_batches)
    return model


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="not \\(8, 8\\)"):
        WGANGP((8, 8))
    with pytest.raises(ValueError, match="\"layer\" or None, not 'batch'"):
        WGANGP((8, 8, 1), critic_normalization="batch")
    with pytest.raises(ValueError, match="at least 1"):
        WGANGP((2,), n_critic=0)


@pytest.mark.parametrize("normalization", ["layer", None])
def test_no_example_sees_another_in_the_critic(normalization):
    """The penalty is one on each example's own gradient."""
    model = WGANGP((8, 8, 1), filters=2, stages=2, critic_normalization=normalization)
    x = np.random.default_rng(0).normal(size=(3, 8, 8, 1)).astype("float32")
    together = ops.convert_to_numpy(model.critic(x, training=True))
    alone = ops.convert_to_numpy(model.critic(x[:1], training=True))
    np.testing.assert_allclose(together[:1], alone, atol=1e-6)
    assert not model.critic.non_trainable_variables


def test_the_penalty_of_a_critic_that_is_linear():
    """A network without hidden layers has one slope everywhere: the loss of a batch is known."""
    model = WGANGP((2,), latent_dim=2, units=(), penalty_weight=10.0)
    model.critic.set_weights([np.array([[3.0], [4.0]], "float32"), np.zeros(1, "float32")])
    # The generator gives its bias, whatever the latents.
    model.generator.set_weights([np.zeros((2, 2), "float32"), np.array([1.0, 0.0], "float32")])
    model.compile({name: keras.optimizers.SGD(0.0) for name in ("critic", "generator")})
    data = np.full((4, 2), 2.0, "float32")
    logs = model.test_on_batch(data, return_dict=True)
    assert float(logs["wasserstein"]) == pytest.approx(14.0 - 3.0)
    assert float(logs["gradient_penalty"]) == pytest.approx((5.0 - 1.0) ** 2, rel=1e-5)
    assert float(logs["critic_loss"]) == pytest.approx(160.0 - 11.0, rel=1e-5)
    assert float(logs["generator_loss"]) == pytest.approx(-3.0)


def test_the_second_order_gradient_by_finite_differences():
    """The derivative of the penalty along a random direction of all weights of a convolutional critic."""
    keras.utils.set_random_seed(1)
    model = WGANGP((8, 8, 1), filters=2, stages=2, critic_normalization="layer")
    for layer in model.critic.layers:
        if isinstance(layer, keras.layers.LeakyReLU):
            # The penalty jumps where an activation has its kink; the normalization stays, and is smooth.
            layer.negative_slope = 1.0
    rng = np.random.default_rng(2)
    variables = model.critic.trainable_variables
    for variable in variables:
        variable.assign(rng.normal(0.0, 0.3, variable.shape).astype("float32"))
    x = ops.convert_to_tensor(rng.normal(size=(4, 8, 8, 1)).astype("float32"))

    def loss():
        slopes = model.gradient(lambda value: model._scores(value, {}, True), x)
        return penalties.gradient_penalty(slopes)

    def loss_and_gradients():
        value, gradients = backend.value_and_grad(loss, variables, model._loss_state())
        return [value, *gradients]

    compiled = backend.compile_function(loss_and_gradients, model._loss_state())
    gradients = [ops.convert_to_numpy(each) for each in compiled()[1:]]
    start = [ops.convert_to_numpy(variable).copy() for variable in variables]
    directions = [rng.normal(size=value.shape).astype("float32") for value in start]
    values = []
    for step in (1e-3, -1e-3):
        for variable, value, direction in zip(variables, start, directions, strict=True):
            variable.assign(value + step * direction)
        values.append(float(ops.convert_to_numpy(compiled()[0])))
    expected = (values[0] - values[1]) / 2e-3
    actual = sum(
        (gradient * direction).sum()
        for gradient, direction in zip(gradients, directions, strict=True)
    )
    assert abs(expected) > 0.1
    assert actual == pytest.approx(expected, rel=0.02)


def test_each_update_of_the_critic_takes_its_own_part_of_a_fresh_batch():
    """After n_critic=3 updates the critic has felt the last part; with one shared part it has not."""
    data = gaussians(24)
    other_end = np.concatenate([data[:16], gaussians(8, seed=1)])
    after = []
    for batch in (data, other_end):
        model = small(n_critic=3)
        model.train_on_batch(batch)
        after.append(arrays(model.critic.weights))
    assert any(
        not np.array_equal(one, other)
        for one, other in zip(after[0].values(), after[1].values(), strict=True)
    )
    assert int(ops.convert_to_numpy(model.optimizer["critic"].iterations)) == 3
    assert int(ops.convert_to_numpy(model.optimizer["generator"].iterations)) == 1


@pytest.mark.learns
def test_it_finds_the_eight_gaussians():
    """After 600 steps at least 7 of 8 modes, and 65 % of the samples in one; untrained none."""
    model = small(penalty_weight=1.0)
    modes, good = quality(model.sample(2000))
    assert modes <= 1
    assert good < 0.2
    batch = 128 * model.n_critic
    history = model.fit(gaussians(600 * batch), batch_size=batch, verbose=0).history
    modes, good = quality(model.sample(2000))
    assert modes >= 7
    assert good >= 0.65
    assert 0.0 < history["wasserstein"][-1] < 1.0, (
        "the samples have come near, and the critic knows"
    )
