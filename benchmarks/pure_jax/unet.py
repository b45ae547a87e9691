"""The U-Net of Ho et al. 2020 (arXiv 2006.11239, appendix B) in JAX, of the sizes of ours.

Difference from our network: the embeddings of all times are a table.
"""

import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import keras
import numpy as np
from jax import Array

from benchmarks.pure_jax.layers import (
    Parameters,
    affine,
    convolution,
    dense,
    glorot,
    group_normalization,
    scale_and_shift,
    zero,
)
from gm_keras.ops.attention import self_attention
from gm_keras.ops.positions import add_everywhere

GROUPS = 8


class UNet:
    """From images `(batch, height, width, channels)`, times and labels `(batch,)`, to the noise in them."""

    def __init__(
        self,
        image_shape: Sequence[int],
        timesteps: int,
        filters: int,
        multipliers: Sequence[int],
        blocks: int,
        attention: Sequence[int],
    ):
        self.channels, self.filters = image_shape[-1], filters
        self.times = sinusoids(timesteps, filters)
        height = image_shape[0]
        heights = [height >> stage for stage in range(len(multipliers))]
        widths = [filters * multiplier for multiplier in multipliers]
        stages = list(enumerate(zip(widths, heights, strict=True)))
        # What follows what: ("half" or "double", 0), or a block of so many channels, with attention or not.
        self.down: list[tuple[str, int]] = []
        self.up: list[tuple[str, int]] = []
        for stage, (width, height) in stages:
            kind = "attention" if height in attention else "block"
            self.down += [("half", 0)] * (stage > 0) + [(kind, width)] * blocks
        for stage, (width, height) in reversed(stages):
            kind = "attention" if height in attention else "block"
            self.up += [(kind, width)] * (blocks + 1) + [("double", 0)] * (stage > 0)

    def initial(self, generator: np.random.Generator, num_classes: int | None) -> Parameters:
        """Draws the weights; a label of `num_classes` means that there is none."""
        condition = 4 * self.filters

        def residual(channels: int, width: int) -> Parameters:
            block = {
                "first_norm": scale_and_shift(channels),
                "shift": affine(generator, condition, width),
                "first": affine(generator, 3, 3, channels, width),
                "second_norm": scale_and_shift(width),
            }
            if channels != width:
                block["shortcut"] = affine(generator, channels, width)
            return {**block, "second": affine(generator, 3, 3, width, width, draw=zero)}

        def attention(width: int) -> Parameters:
            return {
                "norm": scale_and_shift(width),
                "projection": affine(generator, width, 3 * width),
                "output": affine(generator, width, width, draw=zero),
            }

        def part(kind: str, channels: int, width: int) -> list[Parameters]:
            if kind in ("half", "double"):
                return [affine(generator, 3, 3, channels, channels)]
            parts = [residual(channels, width)]
            return parts + ([attention(width)] if kind == "attention" else [])

        parameters: Parameters = {
            "time": [
                affine(generator, self.filters, condition),
                affine(generator, condition, condition),
            ]
        }
        if num_classes:
            parameters["labels"] = glorot(generator, (num_classes + 1, condition))
        width, skips = self.filters, [self.filters]
        parameters["first"] = affine(generator, 3, 3, self.channels, width)
        parameters["down"] = []
        for kind, target in self.down:
            parameters["down"].append(part(kind, width, target))
            width = target or width
            skips.append(width)
        parameters["middle"] = [residual(width, width), attention(width), residual(width, width)]
        parameters["up"] = []
        for kind, target in self.up:
            parameters["up"].append(part(kind, width + (skips.pop() if target else 0), target))
            width = target or width
        parameters["last_norm"] = scale_and_shift(width)
        parameters["last"] = affine(generator, 3, 3, width, self.channels, draw=zero)
        return parameters

    def __call__(
        self, parameters: Parameters, images: Array, time: Array, label: Array | None
    ) -> Array:
        """Returns an array of the shape of `images`."""
        first, second = parameters["time"]
        condition = dense(second, jax.nn.silu(dense(first, jnp.asarray(self.times)[time])))
        if "labels" in parameters:
            condition = condition + parameters["labels"][label]
        condition = jax.nn.silu(condition)
        hidden = convolution(parameters["first"], images)
        skips = [hidden]
        for (kind, _), part in zip(self.down, parameters["down"], strict=True):
            hidden = (
                convolution(part[0], hidden, 2) if kind == "half" else run(part, hidden, condition)
            )
            skips.append(hidden)
        hidden = run(parameters["middle"], hidden, condition)
        for (kind, _), part in zip(self.up, parameters["up"], strict=True):
            if kind == "double":
                hidden = convolution(part[0], doubled(hidden))
            else:
                hidden = run(part, jnp.concatenate([hidden, skips.pop()], axis=-1), condition)
        return convolution(parameters["last"], normalized(parameters["last_norm"], hidden))


def run(parts: list[Parameters], hidden: Array, condition: Array) -> Array:
    """Residual blocks and attentions, one after the other."""
    for part in parts:
        hidden = residual(part, hidden, condition) if "shift" in part else attend(part, hidden)
    return hidden


def residual(block: Parameters, hidden: Array, condition: Array) -> Array:
    """Two convolutions, told of time and label in between, and what they add to."""
    update = convolution(block["first"], normalized(block["first_norm"], hidden))
    update = add_everywhere(update, dense(block["shift"], condition))
    update = convolution(block["second"], normalized(block["second_norm"], update))
    return update + (dense(block["shortcut"], hidden) if "shortcut" in block else hidden)


def attend(part: Parameters, hidden: Array) -> Array:
    """Every pixel attends to every pixel, with one head; the result is added."""
    batch, height, width, channels = hidden.shape
    normal = group_normalization(part["norm"], hidden, GROUPS, keras.activations.linear)
    joined = dense(part["projection"], normal.reshape(batch, -1, channels))
    attended = self_attention(joined, heads=1)
    return hidden + dense(part["output"], attended).reshape(batch, height, width, channels)


def normalized(norm: Parameters, hidden: Array) -> Array:
    """Group normalization and SiLU."""
    return group_normalization(norm, hidden, GROUPS)


def doubled(hidden: Array) -> Array:
    """Each pixel as a square of four."""
    batch, height, width, channels = hidden.shape
    wide = jnp.broadcast_to(hidden[:, :, None, :, None], (batch, height, 2, width, 2, channels))
    return wide.reshape(batch, 2 * height, 2 * width, channels)


def sinusoids(timesteps: int, width: int) -> np.ndarray:
    """Sines and cosines of the times 0 to `timesteps`, as if there were 1000: `(timesteps + 1, width)`."""
    half = width // 2
    frequencies = np.exp(np.arange(half) * (-math.log(10000.0) / (half - 1)))
    angles = np.arange(timesteps + 1)[:, None] * (1000.0 / timesteps) * frequencies
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype("float32")
