"""Calls of a model's `encode` and `decode` on any number of examples, in parts of one size."""

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import keras
import numpy as np

from gm_keras.progress import progress

# One size for every call: a model is then compiled once for encoding and once for decoding.
BATCH = 64


def in_parts(function: Callable[..., Any], *arrays: np.ndarray) -> np.ndarray:
    """Calls a function on `BATCH` rows at a time; the last part is filled up by repeating rows.

    Args:
        function: Takes so many arrays, and returns one `(batch, ...)`, row by row.
        *arrays: Of one length, at least 1.

    Returns:
        The results end to end, a NumPy array.
    """
    n, parts = len(arrays[0]), []
    with progress(n, "pictures of latents") as bar:
        for start in range(0, n, BATCH):
            rows = np.arange(start, start + BATCH) % n
            parts.append(keras.ops.convert_to_numpy(function(*(each[rows] for each in arrays))))
            bar.update(min(BATCH, n - start))
    return np.concatenate(parts)[:n]


def encode(model: Any, x: np.ndarray, conditions: Mapping[str, np.ndarray]) -> np.ndarray:
    """The latents of examples.

    Args:
        model: A model with `encode`.
        x: `(n, *shape of one example)`, scaled as in training.
        conditions: What the model is told of each, by name: `(n, *shape)`.
    """
    return _told(model.encode, x, conditions)


def decode(
    model: Any,
    latents: np.ndarray,
    conditions: Mapping[str, np.ndarray],
    options: Mapping[str, Any] | None = None,
) -> np.ndarray:
    """The examples of latents.

    Args:
        model: A model with `decode`.
        latents: `(n, *latent shape)`.
        conditions: What the model is told of each, by name: `(n, *shape)`.
        options: Of `sample`: those that `decode` takes too, such as the number of steps, hold here.

    Returns:
        `(n, *shape of one example)`, float32.
    """
    known = set(inspect.signature(model.decode).parameters) - {"latents"}
    shared = {name: value for name, value in (options or {}).items() if name in known}
    return _told(partial(model.decode, **shared), np.asarray(latents), conditions)


def _told(
    method: Callable[..., Any], rows: np.ndarray, conditions: Mapping[str, np.ndarray]
) -> np.ndarray:
    def call(part: np.ndarray, *values: np.ndarray) -> Any:
        return method(part, **dict(zip(conditions, values, strict=True)))

    return in_parts(call, rows, *map(np.asarray, conditions.values()))
