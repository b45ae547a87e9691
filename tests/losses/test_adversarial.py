"""Adversarial losses and gradient penalties against constants worked out by hand."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from gm_keras import backend
from gm_keras.losses import adversarial, penalties

pytestmark = pytest.mark.backend

# Probabilities of 1/2 and 3/4 for the data, of 1/4 and 1/2 for the fakes.
REAL = np.array([0.0, math.log(3.0)], "float32")
FAKE = np.array([-math.log(3.0), 0.0], "float32")
EXTREME = np.array([-1000.0, 1000.0], "float32")
GENERATORS = [adversarial.OBJECTIVES[name].generator for name in ("non_saturating", "minimax")]


def number(value) -> float:
    return float(ops.convert_to_numpy(value))


def slope(loss, logits):
    """The gradient of a loss with respect to logits."""
    return ops.convert_to_numpy(backend.gradient(loss, ops.convert_to_tensor(logits), []))


def test_the_discriminator_by_hand():
    # (ln 2 - ln 3/4) / 2 for the data, the same for the fakes.
    assert number(adversarial.discriminator(REAL, FAKE)) == pytest.approx(math.log(8 / 3))
    undecided = np.zeros(3, "float32")
    assert number(adversarial.discriminator(undecided, undecided)) == pytest.approx(2 * math.log(2))


def test_the_generators_by_hand():
    # Mean of ln 3/4 and ln 1/2; mean of -ln 1/4 and -ln 1/2.
    assert number(adversarial.minimax_generator(FAKE)) == pytest.approx(0.5 * math.log(3 / 8))
    assert number(adversarial.non_saturating_generator(FAKE)) == pytest.approx(1.5 * math.log(2))


def test_gradients_by_hand():
    probabilities = np.array([0.25, 0.5])
    minimax = slope(adversarial.minimax_generator, FAKE)
    np.testing.assert_allclose(minimax, -probabilities / 2, rtol=1e-5)
    other = slope(adversarial.non_saturating_generator, FAKE)
    np.testing.assert_allclose(other, (probabilities - 1) / 2, rtol=1e-5)


def test_both_games_have_the_same_fixed_point_and_other_gradients_away_from_it():
    undecided = np.zeros(2, "float32")
    same = [slope(loss, undecided) for loss in GENERATORS]
    np.testing.assert_allclose(same[0], same[1])
    recognised = np.full(2, -20.0, "float32")
    assert np.abs(slope(adversarial.minimax_generator, recognised)).max() < 1e-8
    learns = slope(adversarial.non_saturating_generator, recognised)
    np.testing.assert_allclose(learns, -0.5, rtol=1e-6)


def test_huge_logits_stay_finite():
    assert number(adversarial.discriminator(EXTREME, EXTREME)) == pytest.approx(1000.0)
    assert number(adversarial.minimax_generator(EXTREME)) == pytest.approx(-500.0)
    assert number(adversarial.non_saturating_generator(EXTREME)) == pytest.approx(500.0)
    for loss in GENERATORS:
        assert np.isfinite(slope(loss, EXTREME)).all()


def test_wasserstein_by_hand():
    assert number(
        adversarial.wasserstein_distance([[1.0], [3.0]], [[0.5], [0.5]])
    ) == pytest.approx(1.5)
    assert number(adversarial.wasserstein_generator([[1.0], [3.0]])) == pytest.approx(-2.0)


def test_least_squares_by_hand():
    # (1 - 0.5)^2 and (3 - 1)^2 of data, (0.5 - 0)^2 twice of fakes: halves of the means.
    real, fake = np.array([0.5, 3.0], "float32"), np.array([0.5, -0.5], "float32")
    binary = adversarial.OBJECTIVES["least_squares"]
    assert number(binary.critic(real, fake)) == pytest.approx(0.5 * (4.25 / 2 + 0.25))
    assert number(binary.generator(fake)) == pytest.approx(0.5 * (0.25 + 2.25) / 2)
    pearson = adversarial.OBJECTIVES["least_squares_pearson"]
    assert number(pearson.critic(real, fake)) == pytest.approx(0.5 * (4.25 / 2 + (2.25 + 0.25) / 2))
    assert number(pearson.generator(fake)) == pytest.approx(0.5 * 0.25)


def test_least_squares_pulls_at_fakes_however_far_they_are():
    far = np.array([-5.0, -50.0], "float32")
    for name, wanted in (("least_squares", 1.0), ("least_squares_pearson", 0.0)):
        pulls = slope(adversarial.OBJECTIVES[name].generator, far)
        np.testing.assert_allclose(pulls, (far - wanted) / 2, rtol=1e-6)
    assert np.abs(slope(adversarial.minimax_generator, far)).max() < 0.004


def test_hinge_by_hand():
    hinge = adversarial.OBJECTIVES["hinge"]
    real, fake = np.array([2.0, 0.5], "float32"), np.array([-3.0, 1.0], "float32")
    assert number(hinge.critic(real, fake)) == pytest.approx(0.5 / 2 + 2.0 / 2)
    assert number(hinge.generator(fake)) == pytest.approx(1.0)
    np.testing.assert_allclose(slope(lambda x: hinge.critic(x, fake), real), [0.0, -0.5])
    np.testing.assert_allclose(slope(lambda x: hinge.critic(real, x), fake), [0.0, 0.5])


@pytest.mark.parametrize(
    ("phi", "values"),
    [
        ("linear", (-2.0, 1.0)),
        ("log_sigmoid", (math.log1p(math.exp(-2.0)), math.log1p(math.e))),
        ("exp", (math.exp(-2.0), math.e)),
        ("sqrt", (math.sqrt(5.0) - 2.0, 1.0 + math.sqrt(2.0))),
        ("square", (1.0, 4.0)),
    ],
)
def test_lipschitz_objectives_by_hand(phi, values):
    """One datum with the score 2, one fake with the score 1."""
    objective = adversarial.lipschitz(phi)
    real, fake = np.array([2.0], "float32"), np.array([1.0], "float32")
    assert number(objective.critic(real, fake)) == pytest.approx(sum(values), rel=1e-5)
    assert number(objective.generator(fake)) == pytest.approx(-1.0)


def test_every_function_of_lipschitz_objectives_is_increasing_and_convex():
    x = np.linspace(-0.9, 3.0, 40, dtype="float32")
    for name, phi in adversarial.PHI.items():
        values = ops.convert_to_numpy(phi(ops.convert_to_tensor(x))).astype("float64")
        assert (np.diff(values) > 0).all(), name
        assert (np.diff(values, 2) > -1e-5).all(), name


def test_every_objective_has_the_critic_push_data_up_and_fakes_down():
    """And the generator pushes fakes up, where both have the same scores."""
    same = np.zeros(2, "float32")
    for name, objective in adversarial.OBJECTIVES.items():
        assert (slope(lambda x, each=objective: each.critic(x, same), same) < 0).all(), name
        assert (slope(lambda x, each=objective: each.critic(same, x), same) >= 0).all(), name
        assert (slope(objective.generator, same - 0.5) < 0).all(), name


def test_interpolates_lie_between():
    real = ops.ones((3, 2, 2, 1))
    fractions = ops.convert_to_tensor([0.0, 0.25, 1.0])
    between = ops.convert_to_numpy(penalties.interpolates(real, -real, fractions))
    np.testing.assert_allclose(between[:, 0, 0, 0], [-1.0, -0.5, 1.0])
    assert (between == between[:, :1, :1]).all(), "one fraction for all pixels of an example"


def test_the_penalty_of_a_linear_critic():
    weights = np.array([[3.0], [4.0]], "float32")
    x = ops.convert_to_tensor(np.random.default_rng(0).normal(size=(6, 2)).astype("float32"))
    gradients = backend.gradient(lambda value: ops.matmul(value, weights), x, [])
    norms = ops.convert_to_numpy(penalties.gradient_norms(gradients))
    np.testing.assert_allclose(norms, 5.0, rtol=1e-6)
    assert number(penalties.gradient_penalty(gradients)) == pytest.approx(16.0, rel=1e-5)
    assert number(penalties.gradient_penalty(gradients, 0.0)) == pytest.approx(25.0, rel=1e-5)


def test_penalties_by_hand():
    """Two examples whose gradients have the lengths 5 and 13."""
    gradients = np.array([[[3.0], [4.0]], [[5.0], [12.0]]], "float32")
    values = {name: number(each.value(gradients)) for name, each in penalties.PENALTIES.items()}
    assert values == pytest.approx(
        {
            "gradient_penalty": (16.0 + 144.0) / 2,
            "max_gradient_penalty": 169.0,
            "r1": (25.0 + 169.0) / 4,
            "r2": (25.0 + 169.0) / 4,
        }
    )


def test_clipped_weights():
    cut = ops.convert_to_numpy(penalties.clipped(np.array([-2.0, 0.005, 2.0], "float32"), 0.01))
    np.testing.assert_allclose(cut, [-0.01, 0.005, 0.01])


def test_the_penalty_is_differentiable_again():
    """f(x) = a |x|^2 / 2 has the slope a x: penalty and its derivative by a are known."""
    scale = keras.Variable(0.7)
    x = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")

    def loss():
        gradients = backend.gradient(
            lambda value: 0.5 * scale * ops.sum(ops.square(value), axis=1),
            ops.convert_to_tensor(x),
            [scale],
        )
        return penalties.gradient_penalty(gradients)

    value, (derivative,) = backend.value_and_grad(loss, [scale], [scale])
    norms = np.linalg.norm(x, axis=1)
    assert number(value) == pytest.approx(np.mean((0.7 * norms - 1) ** 2), rel=1e-5)
    assert number(derivative) == pytest.approx(np.mean(2 * (0.7 * norms - 1) * norms), rel=1e-5)


def test_a_dead_critic_gives_no_nan():
    scale = keras.Variable(0.0)

    def loss():
        gradients = backend.gradient(
            lambda value: scale * ops.sum(value, axis=1), ops.ones((2, 3)), [scale]
        )
        return penalties.gradient_penalty(gradients)

    value, (derivative,) = backend.value_and_grad(loss, [scale], [scale])
    assert number(value) == pytest.approx(1.0, abs=1e-5)
    assert np.isfinite(number(derivative))
