"""What becomes of a small distance from the equilibrium: the eigenvalues of an update, linearized there."""

import enum

import numpy as np

from gm_keras.games.games import Game, linearized
from gm_keras.games.methods import Method

#: The turn at which an update that knows its turn is looked at.
LATE = 1_000
#: What is as near to the unit circle, at a rate of 1, lies on it: fields of float32 are no more exact.
TOLERANCE = 1e-6
# So many updates let the powers of a matrix grow beyond this if, on the circle, it has a Jordan block.
_TURNS, _GROWTH = 4_096, 100.0


class Verdict(enum.StrEnum):
    """What a method does near the equilibrium."""

    CONVERGES = "converges"
    #: The distance neither vanishes nor grows: the greatest eigenvalues lie on the unit circle.
    CIRCLES = "circles"
    LEAVES = "leaves"
    #: The linear part moves some directions not at all.
    UNDECIDED = "undecided"


def update_matrix(method: Method, game: Game, rate: float, turn: int = LATE) -> np.ndarray:
    """Returns the derivative of an update with respect to the state, at the equilibrium.

    Args:
        method: How to play.
        game: What is played.
        rate: Of the steps, above 0.
        turn: For methods that take means, whose update depends on it.

    Returns:
        `(n, n)` for a state of n numbers. Where the answer is a mean that no player looks at, the matrix is that of
        the players.
    """
    points = 1 + (0 if method.mean else method.memory)
    size = 2 * points
    unit = np.zeros((size, 1 + method.memory, 2))
    unit[:, :points] = np.eye(size).reshape(size, points, 2)
    new = method.step(linearized(game), unit, rate, turn)
    return new[:, :points].reshape(size, size).T


def eigenvalues(method: Method, game: Game, rate: float, turn: int = LATE) -> np.ndarray:
    """Returns the eigenvalues of `update_matrix`, the greatest modulus first."""
    found = np.linalg.eigvals(update_matrix(method, game, rate, turn))
    return found[np.argsort(-np.abs(found), kind="stable")]


def radius(method: Method, game: Game, rate: float, turn: int = LATE) -> float:
    """Returns the spectral radius of `update_matrix`: a small distance is multiplied by it, turn by turn."""
    return float(np.abs(eigenvalues(method, game, rate, turn)).max())


def verdict(method: Method, game: Game, rate: float) -> Verdict:
    """Returns what the eigenvalues say of a method.

    Below 1 the spectral radius has it converge, above 1 leave, and on 1 circle. A mean of all points converges where
    the points circle around the equilibrium, too.
    """
    matrix = update_matrix(method, game, rate)
    values = np.linalg.eigvals(matrix)
    largest = np.abs(values).max()
    # An error of the field moves the eigenvalues by no more than the rate times as much.
    tolerance = TOLERANCE * min(1.0, rate)
    if largest < 1.0 - tolerance:
        return Verdict.CONVERGES
    if largest > 1.0 + tolerance:
        return Verdict.LEAVES
    if (np.abs(values - 1.0) < tolerance).any():
        return Verdict.UNDECIDED
    if np.abs(np.linalg.matrix_power(matrix, _TURNS)).max() > _GROWTH:
        return Verdict.LEAVES
    return Verdict.CONVERGES if method.mean else Verdict.CIRCLES
