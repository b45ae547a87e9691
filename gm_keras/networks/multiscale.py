"""A flow of several scales, as two functional networks that share their layers."""

import math
from collections.abc import Sequence

import keras
from keras import Input, Model, layers, ops

from gm_keras.layers.bijector import Bijector


def multiscale_flow(
    input_shape: Sequence[int], scales: Sequence[Sequence[Bijector]]
) -> tuple[Model, Model]:
    """Chains invertible layers; half of the channels are finished after each scale but the last.

    Args:
        input_shape: The shape of one example.
        scales: The layers of each scale, in order.

    Returns:
        `flow`, from data to `[latents, log_det]` of shapes `(batch, size)` and `(batch,)`, and its
        inverse `decoder`, from latents to data. The latents of the first scale come first.
    """
    inputs = Input(input_shape, name="inputs")
    hidden, finished, log_dets = inputs, [], []
    for index, bijectors in enumerate(scales):
        for bijector in bijectors:
            hidden, log_det = bijector(hidden)
            log_dets.append(log_det)
        if index < len(scales) - 1:
            done, hidden = ops.split(hidden, 2, axis=-1)
            finished.append(done)
    finished.append(hidden)
    shapes = [tuple(part.shape[1:]) for part in finished]
    latents = _joined([ops.reshape(part, (-1, math.prod(part.shape[1:]))) for part in finished])
    log_det = layers.Add(dtype="float32", name="log_det")(log_dets)
    flow = Model(inputs, [latents, log_det], name="flow")

    latent_inputs = Input((math.prod(input_shape),), name="latents")
    parts, start = [], 0
    for shape in shapes:
        end = start + math.prod(shape)
        parts.append(ops.reshape(latent_inputs[:, start:end], (-1, *shape)))
        start = end
    hidden = parts.pop()
    for bijectors in reversed(scales):
        for bijector in reversed(bijectors):
            hidden, _ = bijector(hidden, inverse=True)
        if parts:
            hidden = _joined([parts.pop(), hidden])
    return flow, Model(latent_inputs, hidden, name="decoder")


def _joined(parts: list[keras.KerasTensor]) -> keras.KerasTensor:
    return layers.Concatenate(dtype="float32")(parts) if len(parts) > 1 else parts[0]
