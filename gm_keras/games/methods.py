"""Methods to play a game: each a pure update of a state.

A state is an array `(..., 1 + memory, 2)`: the present point, and what the method remembers, all of them points. At the
equilibrium all are the origin. Turns count from 1, the point where a trajectory starts being that of turn 1. Every
update is built of the game's field alone (and, of consensus, its Jacobian), so that its derivative at the equilibrium
is the same update of the linearized game.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gm_keras.games.games import Game

#: (game, state, rate, turn) -> state.
Step = Callable[[Game, np.ndarray, float, int], np.ndarray]

#: What a step keeps of the last one; turned round it is negative momentum (Gidel et al. 2018).
MOMENTUM = 0.5
#: The weight of half of the squared length of the field.
CONSENSUS = 0.2
#: The weight of the squared distance from the mean of the past: as in the paper, none.
HISTORY = 1.0


@dataclass(frozen=True)
class Method:
    """A way to play.

    Attributes:
        title: What it is called.
        rule: The update, as a formula: r is the rate, v the field.
        source: Who has proposed it; empty for what everybody does.
        step: The update.
        memory: How many points the state has besides the present one.
        mean: Whether the last of these, the mean of all points so far, is the method's answer.
    """

    title: str
    rule: str
    source: str
    step: Step
    memory: int = 0
    mean: bool = False

    def start(self, points: np.ndarray) -> np.ndarray:
        """Returns the state in which nothing has moved yet: `(..., 2)` to `(..., 1 + memory, 2)`."""
        return np.stack([points] * (1 + self.memory), axis=-2)

    def answer(self, state: np.ndarray) -> np.ndarray:
        """Returns what the method gives as its result: `(..., 2)`."""
        return state[..., -1 if self.mean else 0, :]


def simultaneous(game: Game, state: np.ndarray, rate: float, _turn: int) -> np.ndarray:
    """Both players step from where they stand."""
    (now,) = _points(state)
    return _state(now - rate * game.field(now))


def alternating(game: Game, state: np.ndarray, rate: float, _turn: int) -> np.ndarray:
    """The second player steps first, as the discriminator does, and the first one answers."""
    (now,) = _points(state)
    return _state(_in_turns(game, now, rate, 0.0 * now))


def momentum(game: Game, state: np.ndarray, rate: float, beta: float) -> np.ndarray:
    """Simultaneous steps, each with a part of the last one."""
    now, before = _points(state)
    return _state(now - rate * game.field(now) + beta * (now - before), now)


def alternating_momentum(game: Game, state: np.ndarray, rate: float, beta: float) -> np.ndarray:
    """Alternating steps, each with a part of the player's last one."""
    now, before = _points(state)
    return _state(_in_turns(game, now, rate, beta * (now - before)), now)


def extragradient(game: Game, state: np.ndarray, rate: float, _turn: int) -> np.ndarray:
    """A step against the field at the point to which a plain step would lead."""
    (now,) = _points(state)
    return _state(now - rate * game.field(now - rate * game.field(now)))


def optimism(game: Game, state: np.ndarray, rate: float, _turn: int) -> np.ndarray:
    """Twice the field less that of the last turn, as a guess of the next one."""
    now, before = _points(state)
    here, there = game.field(now), game.field(before)
    return _state(now - rate * (2.0 * here - there), now)


def consensus(game: Game, state: np.ndarray, rate: float, _turn: int) -> np.ndarray:
    """Both players also lower half of the squared length of the field, whose gradient is J^T v."""
    (now,) = _points(state)
    field = game.field(now)
    shorter = np.einsum("...ji,...j->...i", game.jacobian(now), field)
    return _state(now - rate * (field + CONSENSUS * shorter))


def averaging(game: Game, state: np.ndarray, rate: float, turn: int) -> np.ndarray:
    """Alternating steps, of which the mean of all points is taken and nothing comes back to the players."""
    now, mean = _points(state)
    new = _in_turns(game, now, rate, 0.0 * now)
    return _state(new, mean + (new - mean) / (turn + 1))


def historical_averaging(game: Game, state: np.ndarray, rate: float, turn: int) -> np.ndarray:
    """Simultaneous steps in a game that also punishes the squared distance from the mean of the past."""
    now, mean = _points(state)
    new = now - rate * (game.field(now) + 2.0 * HISTORY * (now - mean))
    return _state(new, mean + (new - mean) / (turn + 1))


def _in_turns(game: Game, points: np.ndarray, rate: float, beside: np.ndarray) -> np.ndarray:
    """One step of each player, the second first; `beside` is added to the steps."""
    x, y = points[..., 0], points[..., 1]
    new_y = y - rate * game.field(points)[..., 1] + beside[..., 1]
    answered = game.project(np.stack([x, new_y], axis=-1))
    new_x = x - rate * game.field(answered)[..., 0] + beside[..., 0]
    return np.stack([new_x, answered[..., 1]], axis=-1)


def _points(state: np.ndarray) -> tuple[np.ndarray, ...]:
    return tuple(np.moveaxis(state, -2, 0))


def _state(*points: np.ndarray) -> np.ndarray:
    return np.stack(points, axis=-2)


def _with(step: Callable[..., np.ndarray], beta: float) -> Step:
    return lambda game, state, rate, turn: step(game, state, rate, beta)


_GIDEL = "Gidel et al. 2018"
_HEAVY = "z ← z − r v(z) {sign} ½ (z − z₋₁)"
METHODS: dict[str, Method] = {
    "simultaneous": Method("simultaneous", "z ← z − r v(z)", "", simultaneous),
    "alternating": Method(
        "alternating", "y ← y − r v₂(x, y), then x ← x − r v₁(x, y)", "", alternating
    ),
    "momentum": Method(
        "momentum ½", _HEAVY.format(sign="+"), "", _with(momentum, MOMENTUM), memory=1
    ),
    "negative_momentum": Method(
        "momentum −½", _HEAVY.format(sign="−"), _GIDEL, _with(momentum, -MOMENTUM), memory=1
    ),
    "alternating_momentum": Method(
        "alternating, momentum ½",
        "alternating, + ½ of the last step",
        "",
        _with(alternating_momentum, MOMENTUM),
        memory=1,
    ),
    "alternating_negative_momentum": Method(
        "alternating, momentum −½",
        "alternating, − ½ of the last step",
        _GIDEL,
        _with(alternating_momentum, -MOMENTUM),
        memory=1,
    ),
    "extragradient": Method(
        "extragradient", "z ← z − r v(z − r v(z))", "Korpelevich 1976", extragradient
    ),
    "optimism": Method(
        "optimism", "z ← z − 2r v(z) + r v(z₋₁)", "Daskalakis et al. 2017", optimism, memory=1
    ),
    "consensus": Method(
        "consensus", f"z ← z − r (v + {CONSENSUS:g} Jᵀv)", "Mescheder et al. 2017", consensus
    ),
    "averaging": Method(
        "averaging", "the mean of all points of alternating steps", "", averaging, 1, mean=True
    ),
    "historical_averaging": Method(
        "historical averaging",
        "z ← z − r (v(z) + 2 (z − mean))",
        "Salimans et al. 2016",
        historical_averaging,
        memory=1,
    ),
}
