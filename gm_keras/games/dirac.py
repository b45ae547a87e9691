"""The Dirac-GAN: the smallest generative adversarial network, with the losses and penalties of our systems.

As in the paper (Mescheder, Geiger & Nowozin 2018, "Which training methods for GANs do actually converge?"): all data are
0, the generator gives one number θ, and the discriminator is linear, D(x) = ψx; at the equilibrium both are 0.

Differences from the paper:

* The discriminator has a constant bias, the score at which it cannot tell data from samples. It is 0, as in the paper,
  but for least squares with the codes 0 and 1, where it is a half: without it no score would be right for both.
* Penalties have a weight of 1 unless another is given, and clipping the bound `BOUND`.

It is played on JAX and TensorFlow.
"""

import functools
from collections.abc import Callable, Sequence
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
_POINTS = 16
# The bias is looked for between minus and plus this.
_LARGEST = 4.0


@dataclass(frozen=True)
class DiracGANs(Game):
    """Every objective with every regularizer, side by side: points are `(..., objectives, regularizers, 2)`.

    The generator moves along x = θ, the discriminator along y = ψ.

    Args:
        objectives: Names of `losses.adversarial.OBJECTIVES`.
        regularizers: Some of `REGULARIZERS`.
        weight: What a penalty is multiplied by.
    """

    objectives: tuple[str, ...]
    regularizers: tuple[str, ...]
    weight: float = 1.0

    @property
    def title(self) -> str:
        beside = ", ".join(each for each in self.regularizers if each != NONE)
        return ", ".join(("Dirac-GAN", *self.objectives, *([beside] if beside else [])))

    def losses(self, points):
        return self._sum(points, 0)

    def field(self, points):
        return self._sum(points, 1)

    def jacobian(self, points):
        return self._sum(points, 2)

    def project(self, points):
        if CLIPPING not in self.regularizers:
            return points
        cut = ops.convert_to_numpy(penalties.clipped(points[..., 1], BOUND))
        clips = np.array([each == CLIPPING for each in self.regularizers])
        slopes = np.where(clips, cut, points[..., 1])
        return np.stack([points[..., 0], slopes], axis=-1)

    def _sum(self, points: np.ndarray, order: int) -> np.ndarray:
        """Losses, field or Jacobian of objectives and penalties together."""
        # Each function wants its own names on the last axis but one.
        turned = np.swapaxes(points, -3, -2)
        values = _evaluated(_objectives(self.objectives)[order], turned)
        values = np.swapaxes(values, points.ndim - 3, points.ndim - 2)
        names = tuple(each for each in self.regularizers if each in penalties.PENALTIES)
        if names:
            columns = [self.regularizers.index(each) for each in names]
            penalty = _evaluated(_penalties(names)[order], points[..., columns, :])
            column = (..., columns, *[slice(None)] * (1 + (order == 2)))
            values[column] += self.weight * penalty
        return values


@dataclass(frozen=True)
class DiracGAN(Game):
    """One of `DiracGANs`; points are `(..., 2)`.

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
        return self._one().title

    def losses(self, points):
        return self._one().losses(points[..., None, None, :])[..., 0, 0, :]

    def field(self, points):
        return self._one().field(points[..., None, None, :])[..., 0, 0, :]

    def jacobian(self, points):
        return self._one().jacobian(points[..., None, None, :])[..., 0, 0, :, :]

    def project(self, points):
        return self._one().project(points[..., None, None, :])[..., 0, 0, :]

    def _one(self) -> DiracGANs:
        return DiracGANs((self.objective,), (self.regularizer,), self.weight)


@functools.cache
def bias(objective: str) -> float:
    """Returns the score that a discriminator gives everything when samples are data."""
    critic = OBJECTIVES[objective].critic

    def slope(score: float) -> float:
        at = ops.convert_to_tensor([score], "float32")
        return float(backend.gradient(lambda scores: critic(scores, scores), at, [])[0])

    low, high = -_LARGEST, _LARGEST
    score, steepness = 0.0, slope(0.0)
    # Of a convex loss: its slope only grows, and is 0 somewhere between.
    while abs(steepness) > 1e-6:
        low, high = (score, high) if steepness < 0.0 else (low, score)
        below, above = slope(low), slope(high)
        score = low - below * (high - low) / (above - below)
        steepness = slope(score)
    return score


#: A function of tensors: the parameters θ and ψ, each `(1,)`, to the losses of both players.
_Losses = Callable[[Any, Any], tuple[Any, Any]]


@functools.cache
def _objectives(names: tuple[str, ...]) -> tuple[Callable, ...]:
    return _compiled([_objective(each) for each in names])


@functools.cache
def _penalties(names: tuple[str, ...]) -> tuple[Callable, ...]:
    return _compiled([_penalty(each) for each in names])


def _objective(name: str) -> _Losses:
    objective, offset = OBJECTIVES[name], bias(name)

    def losses(theta, psi):
        real, fake = _scores(psi, offset, ops.zeros_like(theta)), _scores(psi, offset, theta)
        return objective.generator(fake), objective.critic(real, fake)

    return losses


def _penalty(name: str) -> _Losses:
    penalty = penalties.PENALTIES[name]

    def losses(theta, psi):
        fake = theta[None]
        data = ops.zeros_like(fake)
        between = penalties.interpolates(data, fake, ops.full((1,), 0.5))
        x = {"data": data, "fakes": fake, "between": between}[penalty.at]
        value = penalty.value(backend.gradient(lambda x: _scores(psi, 0.0, x), x, []))
        return ops.zeros_like(value), value

    return losses


def _scores(slope: Any, offset: float, x: Any) -> Any:
    """What the discriminator says of examples."""
    return slope * x + offset


def _compiled(games: Sequence[_Losses]) -> tuple[Callable, ...]:
    """Games as compiled functions of points `(n, games, 2)`: losses, field, and Jacobian."""

    def losses(points):
        each = [game(points[k, 0:1], points[k, 1:2]) for k, game in enumerate(games)]
        return ops.stack([ops.stack(pair) for pair in each])

    def of_all(points):
        return ops.vectorized_map(losses, points)

    def own(function, points, player):
        """The derivatives of a player's part of a function of points."""
        return backend.gradient(lambda each: function(each)[..., player], points, [])

    def field(points):
        return ops.stack([own(of_all, points, player)[..., player] for player in (0, 1)], axis=-1)

    def jacobian(points):
        return ops.stack([own(field, points, player) for player in (0, 1)], axis=-2)

    return tuple(backend.compile_function(each, []) for each in (of_all, field, jacobian))


def _evaluated(function: Callable, points: np.ndarray) -> np.ndarray:
    """What a compiled function gives for points `(..., games, 2)`, in float64."""
    flat = np.asarray(points, "float32").reshape(-1, *points.shape[-2:])
    missing = np.zeros((-len(flat) % _POINTS, *flat.shape[1:]), "float32")
    parts = np.split(np.concatenate([flat, missing]), (len(flat) + len(missing)) // _POINTS)
    found = [ops.convert_to_numpy(function(part)) for part in parts]
    values = np.concatenate(found).astype("float64")[: len(flat)]
    return values.reshape(*points.shape[:-2], *values.shape[1:])
