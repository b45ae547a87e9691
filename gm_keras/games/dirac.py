"""The Dirac-GAN: the smallest generative adversarial network, with the losses and penalties of our systems.

As in the paper (Mescheder, Geiger & Nowozin 2018, "Which training methods for GANs do actually converge?"): all data are
0, the generator gives one number θ, and the discriminator is linear, D(x) = ψx; at the equilibrium both are 0.

Differences from the paper:

* The discriminator has a constant bias, the score at which it cannot tell data from samples. It is 0, as in the paper,
  but for least squares with the codes 0 and 1, where it is a half: without it no score would be right for both.
* Penalties have a weight of 1 unless another is given, and clipping the bound `BOUND`.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from keras import ops

from gm_keras import backend
from gm_keras.games.games import Game
from gm_keras.losses import penalties
from gm_keras.losses.adversarial import OBJECTIVES

NONE, CLIPPING = "none", "clipping"
#: What may keep the discriminator from being too steep, by name.
REGULARIZERS = (NONE, *penalties.PENALTIES, CLIPPING)
#: ψ is cut to at most this size.
BOUND = 0.5
# So many points are looked at in one call: each number would be compiled anew.
_POINTS = 32
# Scores are looked for between minus and plus this.
_LARGEST = 4.0


@dataclass(frozen=True)
class DiracGAN(Game):
    """The generator moves along x = θ, the discriminator along y = ψ.

    Args:
        objective: A name of `losses.adversarial.OBJECTIVES`.
        regularizer: One of `REGULARIZERS`.
        weight: What a penalty is multiplied by.
    """

    objective: str = "non_saturating"
    regularizer: str = NONE
    weight: float = 1.0

    @property
    def title(self) -> str:
        beside = "" if self.regularizer == NONE else f", {self.regularizer}"
        return f"Dirac-GAN, {self.objective}{beside}"

    def losses(self, points):
        return self._sum(points, 0)

    def field(self, points):
        return self._sum(points, 1)

    def jacobian(self, points):
        return self._sum(points, 2)

    def project(self, points):
        if self.regularizer != CLIPPING:
            return points
        # Of weights without a gradient: the function is one of tensors.
        slopes = ops.convert_to_numpy(penalties.clipped(points[..., 1], BOUND))
        return np.stack([points[..., 0], slopes], axis=-1)

    def _sum(self, points: np.ndarray, order: int) -> np.ndarray:
        """Losses, field or Jacobian of the objective and its penalty together."""
        value = _derivatives(_objective(self.objective), points, order)
        if self.regularizer in penalties.PENALTIES:
            value = value + self.weight * _derivatives(_penalty(self.regularizer), points, order)
        return value


def bias(objective: str) -> float:
    """Returns the score that a discriminator gives everything when samples are data."""
    critic = OBJECTIVES[objective].critic

    def slope(score: float) -> float:
        at = ops.convert_to_tensor([score], "float32")
        return float(backend.gradient(lambda scores: critic(scores, scores), at, [])[0])

    low, high = -_LARGEST, _LARGEST
    if slope(0.0) == 0.0:
        return 0.0
    while high - low > 1e-6:
        middle = 0.5 * (low + high)
        low, high = (middle, high) if slope(middle) < 0.0 else (low, middle)
    return round(high, 5)


#: A function of tensors: points `(n, 2)` to the losses of both players `(n, 2)`.
_Losses = Callable[[Any], Any]


def _scores(slope: Any, offset: float, x: Any) -> Any:
    return slope * x + offset


@functools.cache
def _objective(name: str) -> Callable:
    objective, offset = OBJECTIVES[name], bias(name)

    def losses(point):
        theta, psi = point[0:1], point[1:2]
        real, fake = _scores(psi, offset, ops.zeros_like(theta)), _scores(psi, offset, theta)
        return ops.stack([objective.generator(fake), objective.critic(real, fake)])

    return _compiled(losses)


@functools.cache
def _penalty(name: str) -> Callable:
    penalty = penalties.PENALTIES[name]

    def losses(point):
        theta, psi = point[None, 0:1], point[1:2]
        data = ops.zeros_like(theta)
        between = penalties.interpolates(data, theta, ops.full((1,), 0.5))
        x = {"data": data, "fakes": theta, "between": between}[penalty.at]
        slopes = backend.gradient(lambda x: _scores(psi, 0.0, x), x, [])
        value = penalty.value(slopes)
        return ops.stack([ops.zeros_like(value), value])

    return _compiled(losses)


def _compiled(losses: Callable) -> Callable:
    """Losses of one point `(2,)` as a compiled function of many: their losses, field and Jacobian."""

    def of_all(points):
        return ops.vectorized_map(losses, points)

    def own(function, points, player):
        """The derivatives of a player's part of a function of points."""
        return backend.gradient(lambda each: function(each)[:, player], points, [])

    def field(points):
        return ops.stack([own(of_all, points, player)[:, player] for player in (0, 1)], axis=-1)

    def everything(points):
        jacobian = ops.stack([own(field, points, player) for player in (0, 1)], axis=1)
        return of_all(points), field(points), jacobian

    return backend.compile_function(everything, [])


def _derivatives(function: Callable, points: np.ndarray, order: int) -> np.ndarray:
    """What a compiled function gives for points `(..., 2)`, in float64."""
    flat = np.asarray(points, "float32").reshape(-1, 2)
    missing = -len(flat) % _POINTS
    parts = np.concatenate([flat, np.zeros((missing, 2), "float32")]).reshape(-1, _POINTS, 2)
    found = [ops.convert_to_numpy(function(part)[order]) for part in parts]
    values = np.concatenate(found).astype("float64")[: len(flat)]
    return values.reshape(*points.shape[:-1], *values.shape[1:])
