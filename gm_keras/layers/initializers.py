"""Initial weights drawn on the host."""

import math
import random

import keras
import numpy as np
from keras import ops


@keras.saving.register_keras_serializable("gm_keras")
class HostGlorotUniform(keras.initializers.Initializer):
    """Glorot's uniform initializer (variance 2 / (fan in + fan out)), drawn with NumPy.

    Keras' own compiles a random generator for every shape on JAX: seconds for a network of many shapes. This
    one also gives every backend the same weights. It follows `keras.utils.set_random_seed` as Keras' does.

    Args:
        seed: An integer, or None for another draw in each instance.
    """

    def __init__(self, seed=None):
        self._given = seed
        self.seed = random.randint(1, 10**9) if seed is None else seed

    def __call__(self, shape, dtype=None):
        receptive = math.prod(shape[:-2])
        limit = math.sqrt(6.0 / (receptive * (shape[-2] + shape[-1])))
        values = np.random.default_rng(self.seed).uniform(-limit, limit, shape)
        return ops.convert_to_tensor(values.astype("float32"), dtype=dtype)

    def get_config(self):
        return {"seed": self._given}


@keras.saving.register_keras_serializable("gm_keras")
class HostUniform(keras.initializers.Initializer):
    """Values uniform in [-limit, limit], drawn with NumPy; see `HostGlorotUniform`.

    Args:
        limit: The largest of them.
        seed: An integer, or None for another draw in each instance.
    """

    def __init__(self, limit=1.0, seed=None):
        self.limit = limit
        self._given = seed
        self.seed = random.randint(1, 10**9) if seed is None else seed

    def __call__(self, shape, dtype=None):
        values = np.random.default_rng(self.seed).uniform(-self.limit, self.limit, shape)
        return ops.convert_to_tensor(values.astype("float32"), dtype=dtype)

    def get_config(self):
        return {"limit": self.limit, "seed": self._given}


@keras.saving.register_keras_serializable("gm_keras")
class HostNormal(keras.initializers.Initializer):
    """Weights from N(mean, stddev), drawn with NumPy; see `HostGlorotUniform`.

    Args:
        stddev: The standard deviation.
        mean: The mean.
        seed: An integer, or None for another draw in each instance.
    """

    def __init__(self, stddev, mean=0.0, seed=None):
        self.stddev = stddev
        self.mean = mean
        self._given = seed
        self.seed = random.randint(1, 10**9) if seed is None else seed

    def __call__(self, shape, dtype=None):
        values = np.random.default_rng(self.seed).normal(self.mean, self.stddev, shape)
        return ops.convert_to_tensor(values.astype("float32"), dtype=dtype)

    def get_config(self):
        return {"stddev": self.stddev, "mean": self.mean, "seed": self._given}


@keras.saving.register_keras_serializable("gm_keras")
class HostOrthogonal(keras.initializers.Initializer):
    """Orthogonal weights (Saxe et al. 2014, arXiv 1312.6120), drawn with NumPy; see `HostGlorotUniform`.

    Of the kernel as a matrix `(inputs, outputs)` the columns are orthonormal or, where there are more of them than
    rows, the rows are.

    Args:
        seed: An integer, or None for another draw in each instance.
    """

    def __init__(self, seed=None):
        self._given = seed
        self.seed = random.randint(1, 10**9) if seed is None else seed

    def __call__(self, shape, dtype=None):
        rows, columns = math.prod(shape[:-1]), shape[-1]
        size = (max(rows, columns), min(rows, columns))
        drawn, triangle = np.linalg.qr(np.random.default_rng(self.seed).normal(size=size))
        # With these signs every orthogonal matrix is as likely as any other.
        drawn *= np.sign(np.diag(triangle))
        values = (drawn if rows >= columns else drawn.T).reshape(shape)
        return ops.convert_to_tensor(values.astype("float32"), dtype=dtype)

    def get_config(self):
        return {"seed": self._given}
