"""Follows methods through games, from many points at a time."""

import numpy as np

from gm_keras.games.games import Game
from gm_keras.games.methods import Method

#: What is farther away has left for good: the rest of its way is NaN.
FAR = 1e6


def trajectory(
    method: Method, game: Game, starts: np.ndarray, rate: float, steps: int
) -> np.ndarray:
    """Returns the answers of a method, turn by turn.

    Args:
        method: How to play.
        game: What is played.
        starts: Where, `(..., 2)`.
        rate: Of the steps, above 0.
        steps: How many.

    Returns:
        `(1 + steps, ..., 2)`, the starts first; NaN from where a player was farther than `FAR` away.
    """
    state = method.start(game.project(np.asarray(starts, "float64")))
    answers = [method.answer(state)]
    for turn in range(1, steps + 1):
        state = method.step(game, state, rate, turn)
        state[..., 0, :] = game.project(state[..., 0, :])
        # What is NaN compares as false, too.
        near = (np.abs(state) <= FAR).all(axis=(-2, -1), keepdims=True)
        state = np.where(near, state, np.nan)
        answers.append(method.answer(state))
    return np.stack(answers)


def distances(points: np.ndarray) -> np.ndarray:
    """Returns how far points are from the equilibrium: `(..., 2)` to `(...,)`; infinity for NaN."""
    return np.nan_to_num(np.linalg.norm(points, axis=-1), nan=np.inf)
