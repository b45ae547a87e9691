"""Games on the plane: the field is the gradient of the losses, and eigenvalues tell what trajectories do."""

import math

import numpy as np
import pytest

from gm_keras.games import closed_forms, spectrum
from gm_keras.games.games import Linear, Quadratic, linearized
from gm_keras.games.methods import CONSENSUS, HISTORY, METHODS
from gm_keras.games.spectrum import Verdict
from gm_keras.games.trajectory import distances, trajectory

XY = Quadratic()
GAMES = [XY, Quadratic(1.0, 1.0), Quadratic(7.0, 1.0), Quadratic(-3.0, 0.5)]
# Neither normal nor symmetric: what R1 makes of a game, and more.
SKEWED = Linear(np.array([[0.2, -0.5], [0.7, 0.9]]))
STARTS = np.array([[1.0, 0.5], [-0.2, 0.7], [0.3, -1.1]])
RATES = (0.01, 0.1, 0.4, 1.3)


def differences(function, points: np.ndarray) -> np.ndarray:
    """Central differences of a function of points `(n, d)`: `(n, outputs, d)`."""
    steps = 1e-5 * np.eye(points.shape[-1])
    return np.stack(
        [(function(points + step) - function(points - step)) / 2e-5 for step in steps], axis=-1
    )


@pytest.mark.parametrize("game", [*GAMES, SKEWED], ids=lambda game: game.title)
def test_the_field_is_the_gradient_of_each_players_own_loss(game):
    slopes = differences(game.losses, STARTS)
    np.testing.assert_allclose(game.field(STARTS), np.einsum("nii->ni", slopes), atol=1e-8)
    np.testing.assert_allclose(game.jacobian(STARTS), differences(game.field, STARTS), atol=1e-8)
    assert not game.field(np.zeros(2)).any()


def test_the_title_says_which_game_it_is():
    assert XY.title == "xy"
    assert Quadratic(-3.0, 1.0).title == "−3 xy + x² − y²"


@pytest.mark.parametrize("name", METHODS)
def test_the_update_matrix_is_the_derivative_of_the_update(name):
    method, game = METHODS[name], Quadratic(1.5, 0.5)
    points = 1 if method.mean else 1 + method.memory

    def update(flat: np.ndarray) -> np.ndarray:
        state = np.zeros((len(flat), 1 + method.memory, 2))
        state[:, :points] = flat.reshape(len(flat), points, 2)
        return method.step(game, state, 0.3, 7)[:, :points].reshape(len(flat), -1)

    measured = differences(update, np.zeros((1, 2 * points)))[0]
    np.testing.assert_allclose(spectrum.update_matrix(method, game, 0.3, 7), measured, atol=1e-8)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("name", METHODS)
def test_the_eigenvalues_are_those_on_paper(name, rate):
    turn = 50
    for game in (*GAMES, SKEWED):
        found = spectrum.eigenvalues(METHODS[name], game, rate, turn)
        expected = closed_forms.eigenvalues(name, linearized(game).matrix, rate, turn)
        assert len(found) == len(expected)
        for value in expected:
            nearest = np.argmin(np.abs(found - value))
            # Where two eigenvalues meet, rounding moves both by its root.
            assert abs(found[nearest] - value) < 1e-6 * max(1.0, abs(value))
            found = np.delete(found, nearest)


@pytest.mark.parametrize("r", [0.01, 0.1, 0.3, 0.49])
def test_the_radii_of_xy_by_hand(r):
    radii = {name: spectrum.radius(method, XY, r) for name, method in METHODS.items()}
    assert radii["simultaneous"] == pytest.approx(math.sqrt(1 + r * r))
    assert radii["alternating"] == pytest.approx(1.0)
    assert radii["averaging"] == pytest.approx(1.0)
    assert radii["extragradient"] == pytest.approx(math.sqrt(1 - r * r + r**4))
    assert radii["optimism"] == pytest.approx(math.sqrt((1 + math.sqrt(1 - 4 * r * r)) / 2))
    shrunk = 1 - CONSENSUS * r
    assert radii["consensus"] == pytest.approx(math.sqrt(shrunk**2 + r * r))


@pytest.mark.parametrize("r", [2.1, 3.0])
def test_alternating_steps_of_xy_leave_beyond_a_rate_of_two(r):
    found = spectrum.radius(METHODS["alternating"], XY, r)
    assert found == pytest.approx((r * r - 2 + r * math.sqrt(r * r - 4)) / 2)
    assert spectrum.verdict(METHODS["alternating"], XY, 1.99) is Verdict.CIRCLES
    # Both eigenvalues are -1, but one eigenvector is all there is: the distance grows as t.
    assert spectrum.verdict(METHODS["alternating"], XY, 2.0) is Verdict.LEAVES


@pytest.mark.parametrize("coupling", [0.0, 1.0, -5.0, 20.0])
def test_the_greatest_rate_of_simultaneous_steps_by_hand(coupling):
    game, most = Quadratic(coupling, 1.0), 4.0 / (4.0 + coupling**2)
    for factor, expected in ((0.99, Verdict.CONVERGES), (1.01, Verdict.LEAVES)):
        assert spectrum.verdict(METHODS["simultaneous"], game, factor * most) is expected
    radius = spectrum.radius(METHODS["simultaneous"], game, 0.1)
    assert radius == pytest.approx(math.sqrt(0.8**2 + (0.1 * coupling) ** 2))


def test_the_greatest_rate_of_optimism_and_of_extragradient_by_hand():
    for name, most in (("optimism", 1 / math.sqrt(3)), ("extragradient", 1.0)):
        assert spectrum.verdict(METHODS[name], XY, 0.99 * most) is Verdict.CONVERGES
        assert spectrum.verdict(METHODS[name], XY, 1.01 * most) is Verdict.LEAVES


def test_negative_momentum_helps_alternating_steps_alone():
    verdicts = {name: spectrum.verdict(method, XY, 0.1) for name, method in METHODS.items()}
    assert verdicts["alternating_negative_momentum"] is Verdict.CONVERGES
    leaving = ("momentum", "negative_momentum", "alternating_momentum")
    assert {verdicts[each] for each in leaving} == {Verdict.LEAVES}


@pytest.mark.parametrize("game", [XY, Quadratic(5.0, 1.0)], ids=lambda game: game.title)
@pytest.mark.parametrize("name", METHODS)
def test_trajectories_do_what_the_eigenvalues_say(name, game):
    method, rate = METHODS[name], 0.2
    found, radius = (each(method, game, rate) for each in (spectrum.verdict, spectrum.radius))
    away = distances(trajectory(method, game, STARTS, rate, 1_000)).max(axis=1)
    first, late = away[:500].max(), away[500:]
    match found:
        case Verdict.CONVERGES:
            assert radius < 1.0 or method.mean
            # As a power of t where a mean is taken, else as a power of the radius.
            assert late[-1] < (0.5 if "averaging" in name else 1e-2) * away[0]
        case Verdict.CIRCLES:
            assert radius == pytest.approx(1.0)
            assert 0.5 < late.min() <= late.max() < 1.1 * first
        case Verdict.LEAVES:
            assert radius > 1.0
            assert late[-1] > 10.0


def test_the_verdict_is_the_radius():
    seen = set()
    for rate in (0.05, 0.1, 0.5, 0.9, 2.5):
        for game in GAMES:
            for method in METHODS.values():
                found, radius = (
                    each(method, game, rate) for each in (spectrum.verdict, spectrum.radius)
                )
                side = "below" if radius < 1 - 1e-6 else "above" if radius > 1 + 1e-6 else "on"
                boundary = Verdict.CONVERGES if method.mean else Verdict.CIRCLES
                expected = {"below": Verdict.CONVERGES, "above": Verdict.LEAVES, "on": boundary}
                assert found is expected[side]
                seen.add(found)
    assert seen == {Verdict.CONVERGES, Verdict.CIRCLES, Verdict.LEAVES}


@pytest.mark.parametrize("rate", [1e-3, 1e-4])
def test_small_rates_have_the_verdicts_of_larger_ones(rate):
    """Of xy: the radius is within r^2 of 1, and says which way it goes all the same."""
    for name in ("simultaneous", "alternating", "extragradient", "optimism"):
        found, expected = (
            spectrum.verdict(METHODS[name], Quadratic(), each) for each in (rate, 0.1)
        )
        assert found is expected, name


def test_where_the_field_is_flat_the_linear_part_does_not_decide():
    flat = Linear(np.array([[0.0, 0.0], [1.0, 0.0]]))
    assert spectrum.verdict(METHODS["simultaneous"], flat, 0.1) is Verdict.UNDECIDED


def test_the_mean_of_a_circle_comes_near_as_one_over_t():
    away = distances(trajectory(METHODS["averaging"], XY, STARTS, 0.4, 1_000))
    still = distances(trajectory(METHODS["alternating"], XY, STARTS, 0.4, 1_000))
    assert (still[1:] > 0.8 * still[0]).all()
    # The greatest distance within a round, of 2 pi / r turns, against that of four times as many turns.
    early, late = away[225:250].max(), away[975:1_000].max()
    assert late / early == pytest.approx(0.25, rel=0.1)


def test_historical_averaging_comes_near_as_a_small_power_of_t():
    away = distances(trajectory(METHODS["historical_averaging"], XY, STARTS, 0.1, 10_000))
    # Once the fast part has gone the point follows the mean, and the mean obeys t m' = -J (2c + J)^-1 m.
    power = 1.0 / (1.0 + 4.0 * HISTORY**2)
    np.testing.assert_allclose(away[10_000] / away[1_000], 10.0**-power, rtol=0.01)


def test_what_has_left_for_good_is_nowhere():
    path = trajectory(METHODS["momentum"], XY, np.array([[1.0, 0.0], [0.0, 0.0]]), 1.0, 200)
    assert np.isnan(path[-1, 0]).all()
    # One start does not take another with it, and who stands at the equilibrium stays.
    np.testing.assert_array_equal(path[:, 1], 0.0)
    assert distances(path[-1]).tolist() == [np.inf, 0.0]
