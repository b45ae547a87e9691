"""Games of two players who move on the plane, each along the gradient of a loss of its own.

The first player moves along x, as a generator does, the second along y, as a discriminator does. The field of a game
is `(dL1/dx, dL2/dy)`: what each player steps against. The equilibrium of every game here is the origin.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np


class Game(ABC):
    """What a method needs to know of a game; points are `(..., 2)` arrays of (x, y)."""

    @property
    @abstractmethod
    def title(self) -> str:
        """The game in a line."""

    @abstractmethod
    def losses(self, points: np.ndarray) -> np.ndarray:
        """Returns the losses of both players: `(..., 2)`."""

    @abstractmethod
    def field(self, points: np.ndarray) -> np.ndarray:
        """Returns the derivative of each player's loss with respect to its own coordinate: `(..., 2)`."""

    @abstractmethod
    def jacobian(self, points: np.ndarray) -> np.ndarray:
        """Returns the derivatives of the field: `(..., 2, 2)`, a row for each component of the field."""

    def project(self, points: np.ndarray) -> np.ndarray:
        """Returns points as the rules of the game let them stand after a step; here as they are."""
        return points


@dataclass(frozen=True)
class Quadratic(Game):
    """`min over x, max over y of a xy + b (x^2 - y^2)`.

    The eigenvalues of its field are `2b ± ai`: `b` pulls to the equilibrium, the coupling `a` turns around it. With
    a = 1 and b = 0 it is the game xy, in which nothing pulls.

    Args:
        coupling: a.
        curvature: b.
    """

    coupling: float = 1.0
    curvature: float = 0.0

    @property
    def title(self) -> str:
        factor = "" if self.coupling == 1.0 else f"{_number(self.coupling)} "
        if self.curvature == 0.0:
            return f"{factor}xy"
        scale = "" if self.curvature == 1.0 else f"{_number(self.curvature)} "
        return f"{factor}xy + {scale}x² − {scale}y²"

    def losses(self, points):
        x, y = points[..., 0], points[..., 1]
        value = self.coupling * x * y + self.curvature * (x * x - y * y)
        return np.stack([value, -value], axis=-1)

    def field(self, points):
        return points @ self._matrix().T

    def jacobian(self, points):
        return np.broadcast_to(self._matrix(), (*points.shape, 2))

    def _matrix(self) -> np.ndarray:
        a, b = self.coupling, self.curvature
        return np.array([[2.0 * b, a], [-a, 2.0 * b]])


@dataclass(frozen=True)
class Linear(Game):
    """A game whose field is a matrix: what any game is near its equilibrium."""

    matrix: np.ndarray

    @property
    def title(self) -> str:
        return "a linear field"

    def losses(self, points):
        (a, b), (c, d) = self.matrix
        x, y = points[..., 0], points[..., 1]
        return np.stack([0.5 * a * x * x + b * x * y, c * x * y + 0.5 * d * y * y], axis=-1)

    def field(self, points):
        return points @ self.matrix.T

    def jacobian(self, points):
        return np.broadcast_to(self.matrix, (*points.shape, 2))


def linearized(game: Game) -> Linear:
    """Returns a game as it is near its equilibrium."""
    return Linear(np.asarray(game.jacobian(np.zeros(2)), "float64"))


def _number(value: float) -> str:
    return f"{value:g}".replace("-", "\N{MINUS SIGN}")
