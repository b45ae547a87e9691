"""`gm-keras game`: the page, and what is told in one line."""

import re

import pytest

from gm_keras.games import spectrum
from gm_keras.games.games import Quadratic
from gm_keras.games.methods import METHODS
from pipelines.report import plane


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def words(page: str) -> list[list[str]]:
    """The rows of the first table: the method, and the verdict on each game."""
    table = re.search(r'<table class="verdicts">.*?</table>', page, flags=re.DOTALL)[0]
    rows = re.findall(r"<tr><th scope=\"row\">(.*?)</th>(.*?)</tr>", table, flags=re.DOTALL)
    return [[name, *re.findall(r'<td class="(\w+)">', cells)] for name, cells in rows]


def test_the_page_has_the_verdicts_of_the_eigenvalues(run, folder):
    code, out, err = run("game", "--game", "xy", "--game", "quadratic", "--coupling", "-7")
    assert (code, err) == (0, "")
    assert out == "2 games, 11 methods in plots/game.html: 13 of 22 converge\n"
    page = (folder / "plots/game.html").read_text(encoding="utf-8")
    games = (Quadratic(), Quadratic(-7.0, 1.0))
    assert words(page) == [
        [method.title, *(spectrum.verdict(method, game, 0.1).value for game in games)]
        for method in METHODS.values()
    ]
    for game in games:
        assert f">{game.title}<" in page
    assert "−7 xy + x² − y²" in page
    # Nothing is loaded from elsewhere.
    assert not re.search(r'(src|href)="(?!#|data:)', page)
    assert [each.name for each in (folder / "plots").iterdir()] == ["game.html"]


def test_rate_steps_and_methods_are_those_that_were_asked_for(run, folder):
    arguments = ("--game", "xy", "--method", "optimism", "--method", "simultaneous", "-o", "a.html")
    code, out, _ = run("game", *arguments, "--rate", "0.6", "--steps", "50")
    assert (code, out) == (0, "1 game, 2 methods in a.html: 0 of 2 converge\n")
    page = (folder / "a.html").read_text(encoding="utf-8")
    assert words(page) == [["optimism", "leaves"], ["simultaneous", "leaves"]]
    # The square root of 1 + 0.6^2, and its 50th power.
    assert "1.1662 · × 2.2e+03" in page
    assert "50 steps at the rate 0.6" in page


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--game", "chess"), '--game: there is no "chess": Known: dirac, quadratic, xy'),
        (("--method", "extragradent"), 'did you mean "extragradient"?'),
        (("--rate", "0"), "--rate must be at least 0.0001 and at most 10, not 0.0"),
        (("--rate", "nan"), "--rate must be"),
        (("--steps", "0"), "--steps must be at least 1 and at most 10,000, not 0"),
        (("--weight", "-1"), "--weight must be at least 0"),
        (("--coupling", "1e9"), "--coupling must be at least -1000"),
        (("-o", "game.png"), "-o expects the name of an HTML file such as game.html"),
        (("-o", "missing/game.html"), "there is no folder missing"),
        (("--game", "xy", "--objective", "hinge"), "--objective is of the game dirac: add --game"),
        (("--coupling", "1") * 13, "14 games are too many for one page"),
    ],
)
def test_what_cannot_be_is_one_line(run, folder, arguments, told):
    code, out, err = run("game", "--game", "xy", "--game", "quadratic", *arguments)
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert told in err
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("backend", ["torch", "none"])
def test_a_backend_that_cannot_play_is_one_line(run, folder, monkeypatch, backend):
    monkeypatch.setenv("KERAS_BACKEND", backend)
    code, out, err = run("game", "--game", "dirac")
    assert (code, out) == (1, "")
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert backend in err
    assert list(folder.iterdir()) == []


def test_words_for_numbers_are_wrong_usage(run):
    assert run("game", "--rate", "fast")[0] == 2


def test_a_way_ends_where_it_is_lost_and_keeps_within_reach():
    import numpy as np

    points = np.array([[[0.0, 0.0]], [[1.0, 1.0]], [[1e5, 0.0]], [[np.nan, np.nan]]])
    (line,) = plane.way(points).lines
    assert line == "100.0,100.0 150.0,50.0 500.0,100.0"
    assert plane.height(np.inf) == plane.TOP
    assert plane.height(0.0) == plane.BOTTOM


def test_arrows_point_where_players_are_pushed():
    field = Quadratic().field(plane.grid())
    first = re.match(r"M(\S+) (\S+)l(\S+) (\S+?)M", plane.arrows(field))
    x, y, across, down = map(float, first.groups())
    # At the lower left, (-2, -2) or so: x grows as y is negative, and y falls as x is.
    assert (x < 40, y > 160) == (True, True)
    assert (across > 0, down > 0) == (True, True)
