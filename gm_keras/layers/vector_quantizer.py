"""The codebook of a VQ-VAE (van den Oord, Vinyals & Kavukcuoglu 2017, arXiv 1711.00937)."""

from typing import Any

import keras
from keras import ops

from gm_keras.layers.initializers import HostGlorotUniform
from gm_keras.ops.random import NoiseSeeds


def perplexity(codes: Any, num_codes: int) -> Any:
    """Returns exp(entropy) of how often each code occurs in `codes`: a scalar from 1 to `num_codes`."""
    counts = ops.sum(ops.one_hot(ops.reshape(codes, (-1,)), num_codes, dtype="float32"), axis=0)
    shares = counts / ops.sum(counts)
    return ops.exp(-ops.sum(shares * ops.log(ops.maximum(shares, 1e-10))))


@keras.saving.register_keras_serializable("gm_keras")
class VectorQuantizer(keras.layers.Layer):
    """Replaces each vector by the nearest one of a codebook; gradients pass straight through.

    It computes in float32 under every precision policy: in bfloat16 close codes would be mixed up.

    The codebook is either learned by a loss (then it is trainable, and the owner adds `codebook_loss`), or
    follows exponential moving averages of the number N of vectors that chose a code in a batch and of their
    sum m: code = m / N (appendix A.1 of the paper). N is smoothed by adding `epsilon` to each code's share
    (Laplace's rule), so that a code which nobody chooses keeps a finite value.

    With `restart_below`, a code whose N falls below this fraction of its fair share (vectors of a batch /
    num_codes) becomes a random vector of the batch, and its N the fair share.

    Args:
        num_codes: Number of codes (K in the paper).
        code_dim: Length of each.
        learning: "ema" or "loss".
        decay: Of the moving averages, for one batch (gamma in the paper).
        epsilon: Of the smoothing, in vectors.
        restart_below: Between 0 and 1, or None: no code restarts; with "ema" only.
    """

    def __init__(
        self,
        num_codes: int,
        code_dim: int,
        learning: str = "ema",
        decay: float = 0.99,
        epsilon: float = 1e-5,
        restart_below: float | None = None,
        **options,
    ):
        super().__init__(**{**options, "dtype": "float32"})
        if learning not in ("ema", "loss"):
            raise ValueError(f'a codebook is learned by "ema" or "loss", not {learning!r}')
        if restart_below is not None and learning != "ema":
            raise ValueError('restart_below needs a codebook that is learned by "ema"')
        if restart_below is not None and not 0.0 < restart_below < 1.0:
            raise ValueError(f"restart_below must be between 0 and 1, not {restart_below}")
        self.num_codes = num_codes
        self.code_dim = code_dim
        self.learning = learning
        self.decay = decay
        self.epsilon = epsilon
        self.restart_below = restart_below
        self.seed_generator = NoiseSeeds()

    def build(self, input_shape):
        if input_shape[-1] != self.code_dim:
            raise ValueError(f"expected vectors of length {self.code_dim}, got {input_shape[-1]}")
        shape = (self.num_codes, self.code_dim)
        ema = self.learning == "ema"
        self.codebook = self.add_weight(
            shape=shape, initializer=HostGlorotUniform(), trainable=not ema, name="codebook"
        )
        if ema:
            self.counts = self.add_weight(
                shape=(self.num_codes,), initializer="ones", trainable=False, name="counts"
            )
            self.sums = self.add_weight(
                shape=shape, initializer="zeros", trainable=False, name="sums"
            )
            # As if each code had been chosen once. A copy: JAX must not give one buffer away twice.
            self.sums.assign(ops.convert_to_numpy(self.codebook).copy())
        self.built = True

    @property
    def statistics(self) -> list[keras.Variable]:
        """What follows the encoder without a gradient."""
        return list(self.non_trainable_weights)

    def nearest(self, vectors: Any) -> Any:
        """Returns the codes nearest to vectors `(..., code_dim)`: int32 `(...)`, without gradient."""
        vectors = ops.stop_gradient(ops.cast(vectors, "float32"))
        codebook = ops.stop_gradient(ops.convert_to_tensor(self.codebook))
        # The vectors' own lengths are left out of the squared distances: they favour no code.
        products = ops.matmul(vectors, ops.transpose(codebook))
        distances = ops.sum(ops.square(codebook), axis=-1) - 2.0 * products
        return ops.cast(ops.argmin(distances, axis=-1), "int32")

    def lookup(self, codes: Any) -> Any:
        """Returns the vectors of integer codes `(...)`: float32 `(..., code_dim)`."""
        return ops.take(ops.convert_to_tensor(self.codebook), codes, axis=0)

    def call(self, vectors, training=False):
        """Quantizes vectors `(..., code_dim)`.

        Returns:
            The codes, int32 `(...)`; their vectors `(..., code_dim)`; and the same with the gradient of
            `vectors`.
        """
        codes = self.nearest(vectors)
        chosen = self.lookup(codes)
        passed = vectors + ops.stop_gradient(chosen - vectors)
        if training and self.learning == "ema":
            self._follow(ops.stop_gradient(vectors), codes)
        return codes, chosen, passed

    def _follow(self, vectors, codes):
        """Moves the averages on by one batch, and the codebook with them."""
        vectors = ops.reshape(vectors, (-1, self.code_dim))
        choices = ops.one_hot(ops.reshape(codes, (-1,)), self.num_codes, dtype="float32")
        counts = self.decay * self.counts + (1.0 - self.decay) * ops.sum(choices, axis=0)
        sums = self.decay * self.sums + (1.0 - self.decay) * ops.matmul(
            ops.transpose(choices), vectors
        )
        if self.restart_below is not None:
            counts, sums = self._restart(counts, sums, vectors)
        total = ops.sum(counts)
        smoothed = total * (counts + self.epsilon) / (total + self.num_codes * self.epsilon)
        codebook = sums / smoothed[:, None]
        self.counts.assign(counts)
        self.sums.assign(sums)
        self.codebook.assign(codebook)

    def _restart(self, counts, sums, vectors):
        """Puts random vectors of the batch, with the fair share of choices, in place of dead codes."""
        number = ops.cast(ops.shape(vectors)[0], "float32")
        share = number / self.num_codes
        uniform = keras.random.uniform((self.num_codes,), seed=self.seed_generator)
        picked = ops.cast(ops.minimum(ops.floor(uniform * number), number - 1.0), "int32")
        dead = counts < self.restart_below * share
        new_sums = share * ops.take(vectors, picked, axis=0)
        return ops.where(dead, share, counts), ops.where(dead[:, None], new_sums, sums)

    def get_config(self):
        return {
            **super().get_config(),
            "num_codes": self.num_codes,
            "code_dim": self.code_dim,
            "learning": self.learning,
            "decay": self.decay,
            "epsilon": self.epsilon,
            "restart_below": self.restart_below,
        }
