"""A training of each system in which nothing depends on the backend: weights, batches and noise are given."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
from keras import ops

from gm_keras import backend
from gm_keras.core import GenerativeModel
from gm_keras.layers.equalized import EqualizedConv2D, EqualizedDense
from tests.systems import BATCH, batch, build

STEPS = 5
# Different noises of each shape; a draw takes the one that its seed says.
_NOISES = 4


@contextlib.contextmanager
def given_noise() -> Iterator[None]:
    """Within, `keras.random` draws numbers that depend on the shape and the state of the seed, the same on each backend."""
    names = ("normal", "uniform", "randint")
    before = {name: getattr(keras.random, name) for name in names}
    keras.random.normal, keras.random.uniform, keras.random.randint = _normal, _uniform, _randint
    try:
        yield
    finally:
        for name, function in before.items():
            setattr(keras.random, name, function)


def _normal(shape, mean=0.0, stddev=1.0, dtype=None, seed=None):
    def draw(rng, size):
        return mean + stddev * rng.normal(size=size)

    return _drawn(draw, shape, dtype or "float32", seed)


def _uniform(shape, minval=0.0, maxval=1.0, dtype=None, seed=None):
    def draw(rng, size):
        return minval + (maxval - minval) * rng.uniform(size=size)

    return _drawn(draw, shape, dtype or "float32", seed)


def _randint(shape, minval, maxval, dtype="int32", seed=None):
    return _drawn(lambda rng, size: rng.integers(minval, maxval, size), shape, dtype, seed)


def _drawn(draw, shape, dtype, seed):
    # A compiled step may know the size of the batch only as a tensor.
    shape = tuple(each if isinstance(each, int) else BATCH for each in shape)
    rng = np.random.default_rng([*shape, 17])
    values = ops.convert_to_tensor(draw(rng, (_NOISES, *shape)).astype(dtype))
    if getattr(seed, "state", None) is None:
        return values[0]
    turn = ops.cast(ops.convert_to_tensor(seed.state)[1], "int32") % _NOISES
    seed.next()
    return ops.take(values, turn, axis=0)


def built(name: str) -> GenerativeModel:
    """A system without dropout, whose random weights do not depend on the backend's generator."""
    # As in a new process, layers are counted from the start: TensorFlow adds up in the order of their names.
    keras.utils.clear_session(free_memory=False)
    # State that starts at random, such as a codebook, follows the seed: it is drawn on the host.
    backend.set_seed(11)
    model = build(name)
    layers = model._flatten_layers()
    for layer in layers:
        if isinstance(layer, keras.layers.Dropout):
            layer.rate = 0.0
    # Layers with an equalized learning rate divide by the root of the fan-in themselves.
    equalized = (EqualizedConv2D, EqualizedDense)
    unit = {id(layer.kernel) for layer in layers if isinstance(layer, equalized)}
    for index, variable in enumerate(model.trainable_variables):
        value = ops.convert_to_numpy(variable)
        if np.unique(value).size > 1:
            random = np.random.default_rng(index).normal(size=value.shape)
            # A random scale of a normalization is near 1.
            if value.ndim < 2:
                new = 1 + 0.02 * random
            else:
                new = random / (1.0 if id(variable) in unit else np.sqrt(np.prod(value.shape[:-1])))
            variable.assign(new.astype("float32"))
    return model


def train(model: GenerativeModel) -> list[dict[str, float]]:
    """Five steps of each stage, and the curves after each of them."""
    curves = []
    with given_noise():
        for stage in model.stages:
            model.enter_stage(stage)
            for step in range(STEPS):
                logs = model.train_on_batch(batch(model, step), return_dict=True)
                curves.append({name: float(value) for name, value in logs.items()})
    return curves


def test(model: GenerativeModel) -> dict[str, float]:
    """The losses of a batch that the training has not seen."""
    with given_noise():
        logs = model.test_on_batch(batch(model, STEPS), return_dict=True)
    return {name: float(value) for name, value in logs.items()}


def answers(model: GenerativeModel) -> dict[str, np.ndarray]:
    """What a trained model says of a batch: likelihoods, reconstructions."""
    data = batch(model)
    x, label = data[model.data_field], data.get("label")
    methods = {"density": "log_prob", "bound": "elbo", "autoencoder": "reconstruct"}
    with given_noise():
        return {
            method: ops.convert_to_numpy(getattr(model, method)(x, label=label))
            for capability, method in methods.items()
            if capability in model.capabilities
        }


def write(
    path: Path,
    model: GenerativeModel,
    curves: list[dict],
    losses: dict,
    answered: dict[str, np.ndarray],
) -> None:
    """Keeps what a training came to, for the comparison of backends."""
    record = {
        f"{index}/{variable.path}": ops.convert_to_numpy(variable)
        for index, variable in enumerate(model.weights)
    }
    record |= {f"curve/{name}": np.array(value) for name, value in curves[-1].items()}
    record |= {f"test/{name}": np.array(value) for name, value in losses.items()}
    record |= {f"answer/{name}": value for name, value in answered.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **record)
