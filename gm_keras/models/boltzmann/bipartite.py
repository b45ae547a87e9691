"""The weights of a restricted Boltzmann machine, and what follows from them in closed form.

Energies, in nats, of visible values v and hidden bits h, with W the kernel, b and c the biases:

* binary v:      E(v, h) = -b v - c h - v W h
* continuous v:  E(v, h) = sum_i (v_i - b_i)^2 / (2 s_i^2) - c h - (v / s^2) W h, so that v given h is normal
  with mean b + W h and variance s^2 (the parametrization of Cho, Ilin & Raiko 2011).

Everything is also given at an inverse temperature between 0 and 1 on the path from independent visible
units, the base, to the machine: log p(v) = (1 - beta) log base(v) - beta E_v(v) + sum_j softplus(beta a_j(v)),
up to a constant, with E_v the energy of the visible units alone and a_j the input of hidden unit j.
"""

import math

import keras
import numpy as np
from keras import ops

from gm_keras.models.boltzmann.base import bits_of, draw_bits


@keras.saving.register_keras_serializable("gm_keras")
class Bipartite(keras.layers.Layer):
    """Visible and hidden units, every one connected with every one of the other kind.

    Computes in float32 whatever the policy: energies are sums of thousands of terms.

    Args:
        visible_units: Number of visible units.
        hidden_units: Number of hidden units.
        gaussian: Continuous visible units instead of binary ones.
        variance: Of the continuous ones; None learns one for each, from 1.
    """

    def __init__(self, visible_units, hidden_units, gaussian=False, variance=None, **options):
        super().__init__(**{"dtype": "float32", **options})
        self.visible_units = visible_units
        self.hidden_units = hidden_units
        self.gaussian = gaussian
        self.variance = variance
        # Small random weights and biases of zero, as Hinton's practical guide (2012) has it.
        self.kernel = self.add_weight(
            shape=(visible_units, hidden_units),
            initializer=keras.initializers.RandomNormal(stddev=0.01),
            name="kernel",
        )
        self.visible_bias = self.add_weight(
            shape=(visible_units,), initializer="zeros", name="visible_bias"
        )
        self.hidden_bias = self.add_weight(
            shape=(hidden_units,), initializer="zeros", name="hidden_bias"
        )
        if gaussian:
            self.log_variance = self.add_weight(
                shape=(visible_units,),
                initializer=keras.initializers.Constant(math.log(variance or 1.0)),
                trainable=variance is None,
                name="log_variance",
            )
        self.built = True

    def get_config(self):
        return {
            **super().get_config(),
            "visible_units": self.visible_units,
            "hidden_units": self.hidden_units,
            "gaussian": self.gaussian,
            "variance": self.variance,
        }

    def call(self, values, output="hidden"):
        """One of the three functions of a machine.

        Args:
            values: `(batch, visible_units)`, or `(batch, hidden_units)` for "visible".
            output: "hidden": probabilities of the hidden units given visible values; "visible": means of
                the visible units given hidden values; "free_energy": of visible values, `(batch,)`.
        """
        if output == "free_energy":
            return self.free_energy(values)
        if output == "visible":
            mean = self.visible_input(values)
            return mean if self.gaussian else ops.sigmoid(mean)
        return ops.sigmoid(self.hidden_input(values))

    def compute_output_spec(self, values, output="hidden"):
        units = {"hidden": (self.hidden_units,), "visible": (self.visible_units,)}
        return keras.KerasTensor((values.shape[0], *units.get(output, ())), "float32")

    def hidden_input(self, visible):
        """The log-odds of the hidden units given visible values: `(batch, hidden_units)`."""
        if self.gaussian:
            visible = visible * ops.exp(-self.log_variance)
        return ops.matmul(visible, self.kernel) + self.hidden_bias

    def visible_input(self, hidden):
        """Given hidden values, the log-odds of binary visible units or the means of continuous ones."""
        return ops.matmul(hidden, ops.transpose(self.kernel)) + self.visible_bias

    def free_energy(self, visible):
        """-log of the sum of exp(-E) over all hidden states: `(batch,)`, in nats."""
        softplus = ops.sum(ops.softplus(self.hidden_input(visible)), axis=-1)
        return -self.log_base(visible, self.own_base()) - softplus

    # ---- the path from a base of independent visible units ----------------------------------------

    def own_base(self):
        """The visible units without the hidden ones: log-odds `(1, units)`, or means and log-variances `(2, units)`."""
        rows = [self.visible_bias, self.log_variance] if self.gaussian else [self.visible_bias]
        return ops.concatenate([ops.reshape(row, (1, -1)) for row in rows])

    def log_base(self, visible, base):
        """The logarithm of what a base says of visible values, not normalized: `(batch,)`."""
        if self.gaussian:
            return -0.5 * ops.sum((visible - base[0]) ** 2 * ops.exp(-base[1]), axis=-1)
        return ops.sum(visible * base[0], axis=-1)

    def log_weight(self, visible, base, beta, new_beta):
        """log p(v) at `new_beta` minus log p(v) at `beta`, neither normalized: `(batch,)`."""
        hidden_input = self.hidden_input(visible)
        # Differences are taken unit by unit: those of the sums would lose their digits in float32.
        softplus = ops.softplus(new_beta * hidden_input) - ops.softplus(beta * hidden_input)
        shift = self.log_base(visible, self.own_base()) - self.log_base(visible, base)
        return (new_beta - beta) * shift + ops.sum(softplus, axis=-1)

    def gibbs_step(self, visible, seeds, beta=1.0, base=None):
        """Draws the hidden units given the visible ones, and new visible ones given those.

        Args:
            visible: `(batch, visible_units)`.
            seeds: Two seeds for `keras.random`.
            beta: Inverse temperature.
            base: Where `beta` is not 1.

        Returns:
            Visible values of the same shape.
        """
        hidden = draw_bits(beta * self.hidden_input(visible), seeds[0])
        return self.draw_visible(hidden, seeds[1], beta, base)

    def draw_visible(self, hidden, seed, beta=1.0, base=None):
        """The second half of a Gibbs step: visible values given hidden ones."""
        center = self.visible_input(hidden)
        if not self.gaussian:
            log_odds = center if base is None else (1.0 - beta) * base[0] + beta * center
            return draw_bits(log_odds, seed)
        precision = ops.exp(-self.log_variance)
        if base is not None:
            base_precision = (1.0 - beta) * ops.exp(-base[1])
            own_precision = beta * precision
            precision = base_precision + own_precision
            center = (base_precision * base[0] + own_precision * center) / precision
        return center + keras.random.normal(ops.shape(center), seed=seed) / ops.sqrt(precision)

    def gibbs_chains(self, n, random, steps):
        """Visible values `(n, visible_units)` after `steps` Gibbs steps, inside a compiled function.

        The chains start at independent units; the inverse temperature rises from 0 to 1 in the first half.
        """
        base = self.own_base()

        def step(index, chains):
            beta = ops.minimum(2.0 * ops.cast(index + 1, "float32") / steps, 1.0)
            seeds = (random.at(2 * index), random.at(2 * index + 1))
            return self.gibbs_step(chains, seeds, beta, base)

        start = self.draw_visible(ops.zeros((n, self.hidden_units)), random.next())
        return ops.fori_loop(0, steps, step, start)


class Enumeration:
    """Sums over all hidden states, in float64 on the host.

    Args:
        layer: A machine of at most 20 hidden units.

    Attributes:
        log_weights: `(2 ** hidden_units,)`: the logarithm, in nats, of exp(-E) summed or integrated over
            the visible units, for each hidden state, in the order of `base.bits_of`.

    Raises:
        ValueError: If there are more hidden units.
    """

    LIMIT = 20
    CHUNK = 2**14

    def __init__(self, layer: Bipartite):
        if layer.hidden_units > self.LIMIT:
            raise ValueError(
                f"{layer.hidden_units} hidden units have too many states to enumerate; "
                f"the limit is {self.LIMIT}: use log_partition()"
            )
        self.layer = layer
        states = 2**layer.hidden_units
        chunks = [
            np.arange(start, min(start + self.CHUNK, states))
            for start in range(0, states, self.CHUNK)
        ]
        self.log_weights = np.concatenate([self._log_weights(self.bits(chunk)) for chunk in chunks])

    def bits(self, states: np.ndarray) -> np.ndarray:
        """The hidden values, float64 `(n, hidden_units)`, of states `(n,)`."""
        return bits_of(states, self.layer.hidden_units).astype("float64")

    def log_partition(self) -> float:
        """The logarithm of the partition function, in nats."""
        return float(np.logaddexp.reduce(self.log_weights))

    def draw(self, n: int, generator: np.random.Generator) -> np.ndarray:
        """Draws hidden values from the machine: float32 `(n, hidden_units)`."""
        probabilities = np.exp(self.log_weights - self.log_weights.max())
        cumulative = np.cumsum(probabilities)
        states = np.searchsorted(cumulative, generator.random(n) * cumulative[-1], side="right")
        return self.bits(states).astype("float32")

    def _log_weights(self, hidden: np.ndarray) -> np.ndarray:
        layer = self.layer
        kernel, visible_bias, hidden_bias = (
            ops.convert_to_numpy(each).astype("float64")
            for each in (layer.kernel, layer.visible_bias, layer.hidden_bias)
        )
        shift = hidden @ kernel.T
        if layer.gaussian:
            log_variance = ops.convert_to_numpy(layer.log_variance).astype("float64")
            # The integral of each visible unit's Gaussian, after completing the square.
            linear = shift * (visible_bias + 0.5 * shift) * np.exp(-log_variance)
            visible = linear + 0.5 * (log_variance + math.log(2.0 * math.pi))
        else:
            visible = np.logaddexp(0.0, visible_bias + shift)
        return hidden @ hidden_bias + visible.sum(axis=-1)
