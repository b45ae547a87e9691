"""The Dirac-GAN: its field is that of our losses, no objective alone converges, and what does is R1."""

import math
import re

import numpy as np
import pytest

from gm_keras.games import dirac, spectrum
from gm_keras.games.games import Linear, Quadratic
from gm_keras.games.methods import METHODS
from gm_keras.games.spectrum import Verdict
from gm_keras.games.trajectory import distances, trajectory
from gm_keras.losses import penalties
from gm_keras.losses.adversarial import OBJECTIVES
from pipelines.command import cli

pytestmark = [pytest.mark.backend, pytest.mark.once("jax")]

GANS = dirac.DiracGANs(tuple(OBJECTIVES), dirac.REGULARIZERS)
SHAPE = (len(GANS.objectives), len(GANS.regularizers), 2)
POINTS = np.random.default_rng(0).uniform(-1.5, 1.5, (5, *SHAPE))
START = np.broadcast_to([1.0, 0.5], SHAPE)
# At the equilibrium: what the generator gains by a slope, and what the discriminator by a fake.
SLOPES = {
    "non_saturating": (0.5, 0.5),
    "minimax": (0.5, 0.5),
    "least_squares": (0.5, 0.5),
    # Its generator wants the score that fakes have there already.
    "least_squares_pearson": (0.0, 1.0),
    "hinge": (1.0, 1.0),
    "wasserstein": (1.0, 1.0),
    "lipschitz_log_sigmoid": (1.0, 0.5),
    "lipschitz_exp": (1.0, 1.0),
    "lipschitz_sqrt": (1.0, 1.0),
    "lipschitz_square": (1.0, 2.0),
}
# The second derivatives of the penalties with respect to the slope.
CURVATURES = {"none": 0.0, "max_gradient_penalty": 2.0, "r1": 1.0, "r2": 1.0, "clipping": 0.0}


def sigmoid(value):
    return 1.0 / (1.0 + np.exp(-value))


def of(values: np.ndarray, objective: str, regularizer: str) -> np.ndarray:
    """What belongs to one game, of arrays `(..., objectives, regularizers, 2)`."""
    row, column = GANS.objectives.index(objective), GANS.regularizers.index(regularizer)
    return values[..., row, column, :]


def jacobian(objective: str, regularizer: str, games: dirac.DiracGANs = GANS) -> Linear:
    found = games.jacobian(np.zeros(SHAPE))
    return Linear(found[GANS.objectives.index(objective), GANS.regularizers.index(regularizer)])


def test_the_losses_are_those_of_the_systems():
    losses = GANS.losses(POINTS)
    for name, objective in OBJECTIVES.items():
        (theta, psi), found = of(POINTS, name, "none")[0], of(losses, name, "none")[0]
        real = np.array([dirac.bias(name)], "float32")
        fake = (real + theta * psi).astype("float32")
        expected = [float(objective.generator(fake)), float(objective.critic(real, fake))]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
        for key, penalty in penalties.PENALTIES.items():
            theta, psi = of(POINTS, name, key)[0]
            fake = (real + theta * psi).astype("float32")
            own = float(objective.critic(real, fake))
            own += float(penalty.value(np.full((1, 1), psi, "float32")))
            assert of(losses, name, key)[0, 1] == pytest.approx(own, rel=1e-5, abs=1e-6)


def test_the_field_by_hand():
    field = GANS.field(POINTS)
    for regularizer in ("none", "r1"):
        theta, psi = np.moveaxis(of(POINTS, "non_saturating", regularizer), -1, 0)
        pull = psi if regularizer == "r1" else 0.0
        expected = [-sigmoid(-theta * psi) * psi, sigmoid(theta * psi) * theta + pull]
        found = of(field, "non_saturating", regularizer)
        np.testing.assert_allclose(found, np.stack(expected, axis=-1), rtol=1e-5, atol=1e-6)
    theta, psi = np.moveaxis(of(POINTS, "wasserstein", "gradient_penalty"), -1, 0)
    pull = 2.0 * (np.abs(psi) - 1.0) * np.sign(psi)
    found = of(field, "wasserstein", "gradient_penalty")
    np.testing.assert_allclose(found, np.stack([-psi, theta + pull], axis=-1), atol=1e-5)


def test_the_jacobian_is_the_derivative_of_the_field():
    step = 1e-2
    measured = np.stack(
        [
            (GANS.field(POINTS + step * axis) - GANS.field(POINTS - step * axis)) / (2 * step)
            for axis in np.eye(2)
        ],
        axis=-1,
    )
    # Where no kink of the hinge or of the penalty's norm lies between.
    smooth = np.abs(POINTS[..., 1]) > 0.05
    smooth &= np.abs(POINTS.prod(axis=-1) + 1.0) > 0.05
    error = np.abs(measured - GANS.jacobian(POINTS)).max(axis=(-2, -1))
    assert smooth.mean() > 0.9
    assert error[smooth].max() < 2e-3


def test_one_game_is_one_of_all():
    one = dirac.DiracGAN("hinge", "r2", 1.0)
    points = of(POINTS, "hinge", "r2")
    for method in ("losses", "field", "jacobian", "project"):
        everything = getattr(GANS, method)(POINTS)
        row, column = GANS.objectives.index("hinge"), GANS.regularizers.index("r2")
        np.testing.assert_allclose(
            getattr(one, method)(points), everything[:, row, column], rtol=1e-6, atol=1e-7
        )
    # A penalty's weight is a factor.
    stronger = dirac.DiracGAN("hinge", "r2", 3.0).jacobian(np.zeros(2))
    np.testing.assert_allclose(stronger, [[0.0, -1.0], [1.0, 3.0]], atol=1e-6)


def test_the_bias_is_where_data_and_samples_cannot_be_told_apart():
    found = {name: dirac.bias(name) for name in OBJECTIVES}
    assert found.pop("least_squares") == pytest.approx(0.5)
    assert set(found.values()) == {0.0}


def test_the_jacobian_at_the_equilibrium_by_hand():
    assert not GANS.field(np.zeros(SHAPE)).any()
    for objective, (gain, seen) in SLOPES.items():
        for regularizer, curvature in CURVATURES.items():
            expected = [[0.0, -gain], [seen, curvature]]
            np.testing.assert_allclose(jacobian(objective, regularizer).matrix, expected, atol=1e-6)


def test_no_objective_converges_by_itself():
    points = trajectory(METHODS["simultaneous"], GANS, START, 0.1, 600)
    away = distances(points)[-1]
    for objective, (gain, seen) in SLOPES.items():
        game = jacobian(objective, "none")
        found = {
            name: spectrum.verdict(METHODS[name], game, 0.1)
            for name in ("simultaneous", "alternating")
        }
        if gain == 0.0:
            assert set(found.values()) == {Verdict.UNDECIDED}
        else:
            assert found == {"simultaneous": Verdict.LEAVES, "alternating": Verdict.CIRCLES}
            radius = spectrum.radius(METHODS["simultaneous"], game, 0.1)
            assert radius == pytest.approx(math.sqrt(1.0 + 0.01 * gain * seen))
        # Nor does what lies beyond the linear part help, nor clipping, nor slopes that are to be 1.
        for regularizer in ("none", "clipping", "gradient_penalty"):
            assert (
                away[GANS.objectives.index(objective), GANS.regularizers.index(regularizer)] > 0.1
            ), (objective, regularizer)


def test_r1_and_r2_converge_as_their_eigenvalues_say():
    rate, weight = 0.1, 0.5
    games = dirac.DiracGANs(GANS.objectives, GANS.regularizers, weight)
    away = distances(trajectory(METHODS["simultaneous"], games, START, rate, 300))
    # det of [[1, r/2], [-r/2, 1 - r weight]], whose eigenvalues are complex.
    radius = math.sqrt(1.0 - rate * weight + rate**2 / 4.0)
    for regularizer in ("r1", "r2"):
        game = jacobian("non_saturating", regularizer, games)
        assert spectrum.radius(METHODS["simultaneous"], game, rate) == pytest.approx(radius)
        assert spectrum.verdict(METHODS["simultaneous"], game, rate) is Verdict.CONVERGES
        # Over whole rounds, of 2 pi / the angle of an eigenvalue.
        angle = np.angle(spectrum.eigenvalues(METHODS["simultaneous"], game, rate)[0])
        turns = round(abs(2.0 * math.pi / angle))
        own = of(away[..., None], "non_saturating", regularizer)[:, 0]
        measured = (own[100 + turns] / own[100]) ** (1.0 / turns)
        assert measured == pytest.approx(radius, abs=1e-3)


def test_what_bounds_the_slope_by_a_penalty_at_zero_converges_with_each_objective():
    away = distances(trajectory(METHODS["alternating"], GANS, START, 0.1, 800))[-1]
    for objective, (gain, _) in SLOPES.items():
        for regularizer in ("r1", "r2", "max_gradient_penalty"):
            game = jacobian(objective, regularizer)
            found = spectrum.verdict(METHODS["alternating"], game, 0.1)
            left = away[GANS.objectives.index(objective), GANS.regularizers.index(regularizer)]
            if gain == 0.0:
                assert found is Verdict.UNDECIDED
            else:
                assert found is Verdict.CONVERGES
                assert left < 1e-4


def test_curved_objectives_creep_nearer_in_turns_and_flat_ones_circle():
    """The linear part says that they circle; what lies beyond lets the distance fall as the root of 1/t."""
    away = distances(trajectory(METHODS["alternating"], GANS, START, 0.2, 800))
    for objective, power in (("non_saturating", 0.5), ("least_squares", 0.5), ("wasserstein", 0.0)):
        own = of(away[..., None], objective, "none")[:, 0]
        # The greatest distance within about a round, early and four times as late.
        early, late = own[137:200].max(), own[737:].max()
        assert late / early == pytest.approx(0.25**power, rel=0.15), objective


def test_clipping_cuts_the_slope_alone():
    clipped = of(GANS.project(POINTS), "hinge", "clipping")
    points = of(POINTS, "hinge", "clipping")
    assert np.abs(points[:, 1]).max() > dirac.BOUND
    np.testing.assert_allclose(clipped[:, 1], np.clip(points[:, 1], -0.5, 0.5))
    np.testing.assert_array_equal(clipped[:, 0], points[:, 0])
    kept = of(GANS.project(POINTS), "hinge", "none")
    np.testing.assert_array_equal(kept, of(POINTS, "hinge", "none"))


def test_near_the_equilibrium_it_is_the_game_xy():
    game, xy = jacobian("wasserstein", "none"), Quadratic(-1.0)
    for method in METHODS.values():
        found, expected = (spectrum.radius(method, each, 0.1) for each in (game, xy))
        assert found == pytest.approx(expected, abs=1e-6)


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    def call(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr("sys.argv", ["gm-keras", "game", *arguments])
        with pytest.raises(SystemExit) as end:
            cli.main()
        output = capsys.readouterr()
        return end.value.code or 0, output.out, output.err

    return call


def test_the_page_has_every_objective_with_every_regularizer(run, tmp_path):
    arguments = ("--game", "dirac", "--method", "alternating", "--steps", "20")
    code, out, err = run(*arguments, "--objective", "hinge", "--regularizer", "r2")
    assert (code, err) == (0, "")
    assert out == "1 game, 1 method in plots/game.html: 1 of 1 converge\n"
    page = (tmp_path / "plots/game.html").read_text(encoding="utf-8")
    assert "Dirac-GAN, hinge, r2" in page
    table = page[page.index('id="pairs"') :].replace("<wbr>", "")
    rows = dict(re.findall(r'<tr><th scope="row">(\w+)</th>(.*?)</tr>', table, flags=re.DOTALL))
    for objective in OBJECTIVES:
        cells = re.findall(r'<td class="(\w+)">', rows[objective])
        assert len(cells) == len(dirac.REGULARIZERS)
        assert cells[0] != "converges"
        assert cells[dirac.REGULARIZERS.index("gradient_penalty")] == "leaves"
    assert rows["hinge"].count("converges<") == 3


@pytest.mark.parametrize(
    ("option", "told"),
    [("--objective", 'did you mean "hinge"?'), ("--regularizer", "Known: clipping, grad")],
)
def test_what_there_is_not_is_one_line(run, tmp_path, option, told):
    code, out, err = run("--game", "dirac", option, "hing")
    assert (code, out) == (1, "")
    assert err.startswith(f'error: {option}: there is no "hing": {told}')
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
