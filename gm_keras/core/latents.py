"""What every model with a prior over latents can do besides, and the ways between two latents."""

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from gm_keras.core.arguments import checked
from gm_keras.ops.random import RandomStream, seed_word
from gm_keras.types import PositiveInt, Seed

# Sines below this come from vectors without a plane between them: parallel, opposite or zero.
SMALLEST_SINE = 1e-6


class DecoderMixin:
    """`decode` on top of `_decode`."""

    def decode(self, latents: Any, **conditions: Any) -> Any:
        """The examples of latents.

        Args:
            latents: `(batch, *latent shape)`.
            **conditions: What the model is told, such as `label=`: one value for all, or one for each example.

        Returns:
            `(batch, *shape of one example)`, in the range of the data.

        Raises:
            ValueError: If a condition is missing, wrong, or none of the model's.
        """
        return self.run_told(self._decode, conditions, latents)

    def _decode(self, latents: Any, conditions: Mapping[str, Any]) -> Any:
        """The examples of latents, inside a compiled function."""
        raise NotImplementedError(f"{type(self).__name__} must define _decode()")


class LatentsMixin(DecoderMixin):
    """Latents of the model's own prior, which `decode` turns into examples.

    A subclass draws its samples as `decode` of `_draw_latents(n, seed)`, so that both agree, and says in
    `latent_prior` how the values of the latents are distributed.
    """

    #: Of each value, all independent: "normal" (standard) or "uniform" (in [-1, 1]).
    latent_prior: Literal["normal", "uniform"] = "normal"
    #: What the first latents are called, where they mean something of themselves, as codes do; none for most models.
    latent_names: Sequence[str] = ()

    @checked
    def draw_latents(self, n: PositiveInt, *, seed: Seed = 0) -> np.ndarray:
        """Draws latents from the prior: those that `sample(n, seed=seed)` decodes.

        Args:
            n: How many.
            seed: Any integer of 32 bits, from 0 on.

        Returns:
            Latents `(n, *latent shape)`, float32.

        Raises:
            ValueError: If `n` is less than 1, or the seed none of 32 bits.
        """
        latents = self.run_compiled(self._latents_call, seed_word(seed), n=n)
        return ops.convert_to_numpy(latents)

    def _latents_call(self, seed, *, n):
        return self._draw_latents(n, RandomStream(seed).next())

    def _draw_latents(self, n: Any, seed: keras.random.SeedGenerator) -> Any:
        """Draws `n` latents inside a compiled function."""
        raise NotImplementedError(f"{type(self).__name__} must define _draw_latents()")


def path(first: np.ndarray, last: np.ndarray, steps: int, *, spherical: bool = False) -> np.ndarray:
    """Points between two batches of latents, evenly spaced, the ends included.

    The straight line between two draws from a normal prior of many dimensions passes points that are shorter
    than almost all draws. The spherical path (Shoemake 1985; for latents White 2016, arXiv 1609.04468) turns
    from one direction to the other in equal angles, while the length goes linearly from one to the other.

    Args:
        first: Latents `(batch, ...)` at one end.
        last: Latents of the same shape at the other end.
        steps: Points, at least 2.
        spherical: Turn instead of going straight. Parallel, opposite and zero vectors, between which there is no
            one arc, are still joined by the straight line.

    Returns:
        An array `(steps, batch, ...)`, float32.

    Raises:
        ValueError: If there are fewer than 2 steps or the shapes differ.
    """
    if steps < 2:
        raise ValueError(f"an interpolation has at least 2 steps, not {steps}")
    first, last = np.asarray(first, "float64"), np.asarray(last, "float64")
    if first.shape != last.shape:
        raise ValueError(
            f"both ends of an interpolation must have one shape, not {first.shape} and {last.shape}"
        )
    shape = first.shape
    first, last = (each.reshape(len(each), -1) for each in (first, last))
    fractions = np.linspace(0.0, 1.0, steps)[:, None, None]
    points = first + fractions * (last - first)
    if spherical:
        lengths = [np.linalg.norm(each, axis=-1, keepdims=True) for each in (first, last)]
        units = [
            each / np.maximum(length, np.finfo("float64").tiny)
            for each, length in zip((first, last), lengths, strict=True)
        ]
        angle = np.arccos(np.clip(np.sum(units[0] * units[1], -1, keepdims=True), -1.0, 1.0))
        sine = np.sin(angle)
        turning = (sine > SMALLEST_SINE) & (np.minimum(*lengths) > 0.0)
        sine = np.where(turning, sine, 1.0)
        turned = np.sin((1.0 - fractions) * angle) / sine * units[0]
        turned += np.sin(fractions * angle) / sine * units[1]
        turned *= lengths[0] + fractions * (lengths[1] - lengths[0])
        points = np.where(turning, turned, points)
        points[0], points[-1] = first, last
    return points.reshape(steps, *shape).astype("float32")
