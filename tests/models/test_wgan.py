"""WGAN: the distance of point masses, clipping, when the generator moves, and eight Gaussians."""

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras.models.gan.wgan import WGAN
from tests.eight_gaussians import gaussians, quality
from tests.systems import arrays

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]


def small(seed: int = 0, rates: tuple[float, float] = (0.001, 0.001), **arguments) -> WGAN:
    keras.utils.set_random_seed(seed)
    defaults = {"latent_dim": 2, "units": (64, 64), "warm_up": 0, "long_every": None}
    model = WGAN((2,), **{**defaults, **arguments})
    optimizers = [keras.optimizers.RMSprop(rate) for rate in rates]
    model.compile(dict(zip(("critic", "generator"), optimizers, strict=True)), fresh_batches=True)
    return model


def test_wrong_arguments_are_refused():
    with pytest.raises(ValueError, match="clip must be a number above 0"):
        WGAN((2,), clip=0.0)
    with pytest.raises(ValueError, match="long_every must be an integer of at least 2"):
        WGAN((2,), long_every=1)


@pytest.mark.parametrize("fake", [(0.0, 0.5), (2.0, -1.0)])
def test_the_estimate_is_the_distance_of_two_point_masses(fake):
    """A linear critic with weights in [-1, 1] has slopes of at most 1, by the sum of the coordinates' differences.

    So its best estimate is that distance; a farther sample has a larger one.
    """
    model = small(units=(), clip=1.0, rates=(0.1, 0.0))
    model.generator.set_weights([np.zeros((2, 2), "float32"), np.array(fake, "float32")])
    data = np.tile(np.array([-1.0, 0.0], "float32"), (10 * 40, 1))
    model.fit(data, batch_size=40, epochs=3, verbose=0)
    estimate = float(model.test_on_batch(data[:8], return_dict=True)["wasserstein"])
    assert estimate == pytest.approx(abs(fake[0] + 1.0) + abs(fake[1]), rel=1e-4)


def test_the_critic_alone_is_clipped():
    model = small(clip=0.02, rates=(0.1, 0.1))
    model.train_on_batch(gaussians(20))
    for key, value in arrays(model.critic.trainable_variables).items():
        assert np.abs(value).max() <= np.float32(0.02), key
    assert max(np.abs(each).max() for each in arrays(model.generator.weights).values()) > 0.1


def moves(model: WGAN, steps: int) -> list[bool]:
    """In which steps the generator is updated."""
    answers = []
    for step in range(steps):
        model.step.assign(step)
        answers.append(bool(ops.convert_to_numpy(model._generator_moves())))
    return answers


@pytest.mark.parametrize(("warm_up", "long_every"), [(3, 6), (3, None), (0, 6), (7, 6)])
def test_the_generator_waits_for_the_critic(warm_up, long_every):
    """As the authors' code: 8 updates of the critic, not 2, before each of the first and every 6th of the generator."""
    model = small(n_critic=2, n_critic_long=7, warm_up=warm_up, long_every=long_every)
    updates, expected = 0, []
    while len(expected) < 40:
        long = updates < warm_up or (long_every and updates % long_every == 0)
        expected += [False] * (3 if long else 0) + [True]
        updates += 1
    assert moves(model, 40) == expected[:40]


def test_a_step_in_which_the_generator_rests_changes_the_critic_only():
    model = small(n_critic=2, n_critic_long=4, warm_up=1)
    networks = {"generator": model.generator, "critic": model.critic}
    for changed in ({"critic"}, {"critic", "generator"}):
        before = {name: arrays(each.weights) for name, each in networks.items()}
        model.train_on_batch(gaussians(8))
        after = {name: arrays(each.weights) for name, each in networks.items()}
        differing = {
            name
            for name, values in after.items()
            if any(not np.array_equal(value, before[name][key]) for key, value in values.items())
        }
        assert differing == changed


@pytest.mark.learns
def test_it_finds_the_eight_gaussians():
    """At least 7 of 8 modes, and 70 % of the samples in one; as they come near the critic's estimate falls."""
    model = small(units=(128, 128), clip=0.1, warm_up=5, n_critic_long=50)
    assert quality(model.sample(2000))[0] <= 1
    batch = 100 * model.n_critic
    history = model.fit(gaussians(100 * batch), batch_size=batch, epochs=15, verbose=0).history
    modes, good = quality(model.sample(2000))
    assert modes >= 7
    assert good >= 0.7
    assert history["wasserstein"][-1] < 0.5 * max(history["wasserstein"])
