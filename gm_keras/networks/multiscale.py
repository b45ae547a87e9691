"""A flow of several scales as a pair of functional networks that share their layers."""

import math
from collections.abc import Sequence

from keras import Input, Model, layers, ops

from gm_keras.layers.bijector import Bijector


def multiscale_flow(
    input_shape: Sequence[int], scales: Sequence[Sequence[Bijector]]
) -> tuple[Model, Model]:
    """Chains invertible layers; after each scale but the last, half of the channels are done.

    Args:
        input_shape: The shape of one example.
        scales: The layers of each scale, in order.

    Returns:
        `flow`, from data to `[latents, log_det]` of shapes `(batch, size)` and `(batch,)`, and its
        inverse `decoder`, from latents to data. The latents of finer scales come first.
    """
    inputs = Input(input_shape, name="inputs")
    hidden, finished, log_dets = inputs, [], []
    shapes = []
    for index, bijectors in enumerate(scales):
        for bijector in bijectors:
            hidden, log_det = bijector(hidden)
            log_dets.append(log_det)
        done = hidden
        if index < len(scales) - 1:
            done, hidden = ops.split(hidden, 2, axis=-1)
        shapes.append(tuple(done.shape[1:]))
        finished.append(ops.reshape(done, (-1, math.prod(done.shape[1:]))))
    latents = (
        layers.Concatenate(dtype="float32", name="latents")(finished)
        if len(finished) > 1
        else finished[0]
    )
    log_det = layers.Add(dtype="float32", name="log_det")(log_dets)
    flow = Model(inputs, [latents, log_det], name="flow")

    latent_inputs = Input((math.prod(input_shape),), name="latents")
    ends = [sum(math.prod(shape) for shape in shapes[: i + 1]) for i in range(len(shapes) - 1)]
    parts = ops.split(latent_inputs, ends, axis=-1) if ends else [latent_inputs]
    parts = [ops.reshape(part, (-1, *shape)) for part, shape in zip(parts, shapes, strict=True)]
    hidden = parts[-1]
    for index in reversed(range(len(scales))):
        if index < len(scales) - 1:
            hidden = layers.Concatenate(dtype="float32")([parts[index], hidden])
        for bijector in reversed(scales[index]):
            hidden, _ = bijector(hidden, inverse=True)
    return flow, Model(latent_inputs, hidden, name="decoder")
