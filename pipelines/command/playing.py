"""Games of two players, and what each method makes of them: the page that `gm-keras game` writes.

Keras is loaded for the Dirac-GAN alone.
"""

import itertools
import math
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from gm_keras.games import closed_forms, spectrum
from gm_keras.games.games import Game, Linear, Quadratic, linearized
from gm_keras.games.methods import METHODS, Method
from gm_keras.games.trajectory import distances, trajectory
from pipelines.command.places import check_place
from pipelines.report import plane, templates
from pipelines.running.compiled import keep_compiled
from pipelines.running.stages import quiet
from pipelines.settings import Settings
from pipelines.shared.errors import UserError, check_number, nearest
from pipelines.shared.files import replacing

XY, QUADRATIC, DIRAC = "xy", "quadratic", "dirac"
#: What is played, by name.
GAMES = (XY, QUADRATIC, DIRAC)
#: Where it begins: the first is the one whose distance is told.
STARTS = np.array([[1.0, 0.5], [-0.3, -0.6]])
#: Of the table of objectives and regularizers: how our systems play.
AS_TRAINED = "alternating"
# Games on one page, and what numbers may be.
MOST_GAMES, MOST_STEPS, LARGEST = 12, 10_000, 1_000


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        games: Some of `GAMES`.
        methods: Names of `METHODS`.
        couplings: a of each game a xy + x^2 - y^2.
        objectives: Of the Dirac-GANs, names of `losses.adversarial.OBJECTIVES`.
        regularizers: Of the Dirac-GANs, names of `games.dirac.REGULARIZERS`.
        weight: What their penalties are multiplied by.
        rate: Of the steps.
        steps: How many.
    """

    games: Sequence[str]
    methods: Sequence[str]
    couplings: Sequence[float]
    objectives: Sequence[str]
    regularizers: Sequence[str]
    weight: float
    rate: float
    steps: int


@dataclass(frozen=True)
class Cell:
    """What a method makes of a game.

    Attributes:
        verdict: Of the eigenvalues.
        radius: The greatest modulus of these.
        left: By what all steps have multiplied the distance of the first start.
    """

    verdict: spectrum.Verdict
    radius: str
    left: str


@dataclass(frozen=True)
class Tile:
    """A method in a game, with its pictures."""

    method: Method
    cell: Cell
    way: plane.Way
    spectrum: plane.Spectrum
    decline: str


@dataclass(frozen=True)
class Shown:
    """A game with the methods that play it."""

    title: str
    eigenvalues: str
    arrows: str
    tiles: tuple[Tile, ...]


def check_used(games: Sequence[str], options: Mapping[str, tuple[object, str]]) -> None:
    """Refuses options of games that are not played.

    Args:
        games: Those that are played.
        options: For each option what was given, None for nothing, and the game that it is of.

    Raises:
        UserError: An option would have no effect.
    """
    for option, (given, game) in options.items():
        if given is not None and game not in games:
            raise UserError(f"{option} is of the game {game}: add --game {game}, or leave it out")


def write(request: Request, output: Path) -> str:
    """Plays, and writes the page.

    Args:
        request: What is asked for.
        output: An HTML file; it is replaced only when the new one is complete.

    Returns:
        A line on what was written.

    Raises:
        UserError: Something is asked for that cannot be; the line names the option.
    """
    _check(request, output)
    games = _games(request)
    methods = {name: METHODS[name] for name in request.methods}
    shown = [_shown(game, methods, request) for game in games]
    pairs = _pairs(request) if DIRAC in request.games else []
    text = templates.render(
        "game.html",
        shown=shown,
        methods=methods,
        forms={name: closed_forms.FORMS[name][1] for name in methods},
        pairs=pairs,
        as_trained=METHODS[AS_TRAINED],
        request=request,
        plane=plane,
        code=templates.code(Path.cwd()),
    )
    with replacing(output) as path:
        path.write_text(text, encoding="utf-8")
    verdicts = [tile.cell.verdict for each in shown for tile in each.tiles]
    converge = verdicts.count(spectrum.Verdict.CONVERGES)
    counts = f"{_counted(shown, 'game')}, {_counted(methods, 'method')}"
    return f"{counts} in {output}: {converge} of {len(verdicts)} converge"


def _counted(things: Sized, word: str) -> str:
    return f"{len(things)} {word}{'' if len(things) == 1 else 's'}"


def _check(request: Request, output: Path) -> None:
    """Raises a `UserError` for what can be told without Keras."""
    _known("--game", request.games, GAMES)
    _known("--method", request.methods, METHODS)
    check_number("--rate", request.rate, 1e-4, 10)
    check_number("--steps", request.steps, 1, MOST_STEPS)
    check_number("--weight", request.weight, 0, LARGEST)
    for each in request.couplings:
        check_number("--coupling", each, -LARGEST, LARGEST)
    if output.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"-o expects the name of an HTML file such as game.html, not {output}")
    check_place(output)


def _known(option: str, words: Sequence[str], known: Sequence[str]) -> None:
    for word in words:
        if word not in known:
            raise UserError(f'{option}: there is no "{word}": {nearest(word, list(known))}')


def _games(request: Request) -> list[Game]:
    games: list[Game] = []
    if XY in request.games:
        games.append(Quadratic())
    if QUADRATIC in request.games:
        games += [Quadratic(each, 1.0) for each in request.couplings]
    if DIRAC in request.games:
        # No project is needed: what the environment says holds, or what a project has by default.
        backend = Settings(data={}, systems={}).choose_backend()
        if backend == "torch":
            # It maps no function over points that takes gradients itself, as penalties do.
            raise UserError("the Dirac-GAN cannot be played on torch: set KERAS_BACKEND=jax")
        quiet()
        keep_compiled()
        from gm_keras.games import dirac

        _known("--objective", request.objectives, list(dirac.OBJECTIVES))
        _known("--regularizer", request.regularizers, dirac.REGULARIZERS)
        pairs = itertools.product(request.objectives, request.regularizers)
        games += [dirac.DiracGAN(*pair, request.weight) for pair in pairs]
    if len(games) > MOST_GAMES:
        raise UserError(
            f"{len(games)} games are too many for one page: choose {MOST_GAMES} at most"
        )
    return games


def _shown(game: Game, methods: dict[str, Method], request: Request) -> Shown:
    values = np.linalg.eigvals(linearized(game).matrix)
    return Shown(
        title=game.title,
        eigenvalues=" and ".join(_complex(each) for each in values),
        arrows=plane.arrows(game.field(plane.grid())),
        tiles=tuple(_tile(game, method, request) for method in methods.values()),
    )


def _tile(game: Game, method: Method, request: Request) -> Tile:
    points = trajectory(method, game, STARTS, request.rate, request.steps)
    away = distances(points[:, 0])
    return Tile(
        method=method,
        cell=_cell(game, method, request.rate, away),
        way=plane.way(points),
        spectrum=plane.spectrum(spectrum.eigenvalues(method, game, request.rate)),
        decline=plane.decline(away),
    )


def _cell(game: Game, method: Method, rate: float, away: np.ndarray) -> Cell:
    radius = spectrum.radius(method, game, rate)
    return Cell(
        verdict=spectrum.verdict(method, game, rate),
        radius=f"{radius:.4f}" if radius < 100.0 else f"{radius:.0e}",
        left=_left(away[-1] / away[0]),
    )


def _left(part: float) -> str:
    if math.isinf(part):
        return "∞"
    return f"{part:.2g}" if part >= plane.NEAREST else "<10⁻⁶"


def _pairs(request: Request) -> list[tuple[str, list[tuple[str, Cell]]]]:
    """Every objective with every regularizer, as our systems play."""
    from gm_keras.games import dirac

    games = dirac.DiracGANs(tuple(dirac.OBJECTIVES), dirac.REGULARIZERS, request.weight)
    method, shape = METHODS[AS_TRAINED], (len(games.objectives), len(games.regularizers), 2)
    jacobians = games.jacobian(np.zeros(shape))
    starts = np.broadcast_to(STARTS[0], shape)
    away = distances(trajectory(method, games, starts, request.rate, request.steps))
    return [
        (
            objective,
            [
                (
                    name,
                    _cell(
                        Linear(jacobians[row, column]), method, request.rate, away[:, row, column]
                    ),
                )
                for column, name in enumerate(games.regularizers)
            ],
        )
        for row, objective in enumerate(games.objectives)
    ]


def _complex(value: complex) -> str:
    real, imaginary = f"{value.real:.4g}", f"{abs(value.imag):.4g}"
    if value.imag == 0.0:
        text = real
    else:
        whole = "" if real in ("0", "-0") else real
        sign = "-" if value.imag < 0.0 else "+" if whole else ""
        text = f"{whole}{sign}{'' if imaginary == '1' else imaginary}i"
    return text.replace("-", "\N{MINUS SIGN}")
