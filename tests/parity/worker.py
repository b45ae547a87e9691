"""Trains every system for five steps of each stage with given weights, batches and noise; run once for each backend."""

import sys

import keras
import numpy as np

from gm_keras import backend, registry
from gm_keras.layers.equalized import EqualizedConv2D, EqualizedDense
from tests.systems import BATCH, batch, build

STEPS = 5


def _static(shape, size: int) -> tuple[int, ...]:
    # A compiled step may know the size of the batch only as a tensor.
    return tuple(each if isinstance(each, int) else size for each in shape)


def fix_noise() -> None:
    """Replaces `keras.random` by numbers that depend on the shape alone, the same on each backend."""

    def rng(shape):
        return np.random.default_rng([*shape, 17])

    def normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
        del seed
        values = rng(_static(shape, BATCH)).normal(size=_static(shape, BATCH))
        return keras.ops.convert_to_tensor((mean + stddev * values).astype(dtype or "float32"))

    def uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
        del seed
        values = rng(_static(shape, BATCH)).uniform(size=_static(shape, BATCH))
        values = minval + (maxval - minval) * values
        return keras.ops.convert_to_tensor(values.astype(dtype or "float32"))

    def randint(shape, minval, maxval, dtype="int32", seed=None):
        del seed
        values = rng(_static(shape, BATCH)).integers(minval, maxval, _static(shape, BATCH))
        return keras.ops.convert_to_tensor(values.astype(dtype))

    keras.random.normal, keras.random.uniform, keras.random.randint = normal, uniform, randint


def fix_weights(model) -> None:
    """Gives every random weight a value that does not depend on the backend's generator."""
    # Layers with an equalized learning rate divide by the root of the fan-in themselves.
    equalized = (EqualizedConv2D, EqualizedDense)
    layers = [layer for layer in model._flatten_layers() if isinstance(layer, equalized)]
    unit = {id(layer.kernel) for layer in layers}
    for index, variable in enumerate(model.trainable_variables):
        value = keras.ops.convert_to_numpy(variable)
        if np.unique(value).size > 1:
            random = np.random.default_rng(index).normal(size=value.shape)
            # A random scale of a normalization is near 1.
            if value.ndim < 2:
                new = 1 + 0.02 * random
            else:
                new = random / (1.0 if id(variable) in unit else np.sqrt(np.prod(value.shape[:-1])))
            variable.assign(new.astype("float32"))


def main(path: str, *names: str) -> None:
    """Writes the weights of the named systems (by default all) after five steps to an `.npz` file."""
    fix_noise()
    result = {}
    for name in names or registry.names():
        # State that starts at random, such as a codebook, follows the seed: it is drawn on the host.
        backend.set_seed(11)
        model = build(name)
        for layer in model._flatten_layers():
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = 0.0
        fix_weights(model)
        for stage in model.stages:
            model.enter_stage(stage)
            for step in range(STEPS):
                logs = model.train_on_batch(batch(model, step), return_dict=True)
        for index, variable in enumerate(model.weights):
            result[f"{name}/{index}/{variable.path}"] = keras.ops.convert_to_numpy(variable)
        for curve, value in logs.items():
            result[f"{name}/curve/{curve}"] = np.asarray(float(value))
    np.savez(path, **result)


if __name__ == "__main__":
    main(*sys.argv[1:])
