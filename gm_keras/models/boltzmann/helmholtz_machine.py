"""Helmholtz machine (Dayan, Hinton, Neal & Zemel 1995, "The Helmholtz machine", Neural Computation 7), trained by
the wake-sleep algorithm (Hinton, Dayan, Frey & Neal 1995, "The wake-sleep algorithm for unsupervised neural
networks", Science 268).

As in the second paper: layers of stochastic binary units; generative connections down and recognition
connections up, each unit's probability a logistic function of the layer next to it; in the wake phase hidden
states are drawn from the recognition connections given data and the generative ones learn to give back each
layer from the one above; in the sleep phase dreams are drawn from the generative connections and the
recognition ones learn to find their causes. Both are the local delta rule.

Differences from the paper: any Keras optimizer instead of steps along the delta rule after each example;
batches, and one dream for each example of a batch; the recognition connections see images in [-1, 1], hidden
units are 0 or 1; grey images are binarized anew in each step where `binarize` is set.
"""

import math

import keras
from keras import ops

from gm_keras.core import BoundMixin, DensityMixin, GenerativeModel, Phase
from gm_keras.core.arguments import checked
from gm_keras.core.importance import ImportanceMixin
from gm_keras.core.levels import LevelsMixin
from gm_keras.distributions import bernoulli
from gm_keras.layers.dense import Dense
from gm_keras.models.boltzmann.base import all_states, draw_bits, log_table
from gm_keras.networks.dense import dense
from gm_keras.types import Flag, Levels, Seed, Shape, Widths


@keras.saving.register_keras_serializable("gm_keras")
class HelmholtzMachine(LevelsMixin, BoundMixin, ImportanceMixin, DensityMixin, GenerativeModel):
    """Layered network of stochastic binary units with recognition and generative connections.

    Args:
        image_shape: Shape of one example, with values in [-1, 1]: (height, width, channels), or (features,).
        units: Hidden units of each layer, from the one next to the data up.
        binarize: Draw each pixel as 0 or 1 with its brightness as probability, anew in each step.
        levels: Number of grey levels of the data, or None for continuous data.
    """

    offers = frozenset({"sampler", "bound"})

    # More hidden units than this have too many states to enumerate.
    ENUMERATED = 20

    def __init__(
        self,
        image_shape: Shape,
        units: Widths = (8,),
        binarize: Flag = False,
        levels: Levels | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)

        # ---- networks ----
        self.size = math.prod(image_shape)
        below = [(self.size,), *((width,) for width in units[:-1])]
        self.recognition = [
            dense(tuple(image_shape) if level == 0 else shape, (), width, name=f"up_{level + 1}")
            for level, (shape, width) in enumerate(zip(below, units, strict=True))
        ]
        self.generation = [
            dense((width,), (), math.prod(shape), name=f"down_{level + 1}")
            for level, (shape, width) in enumerate(zip(below, units, strict=True))
        ]
        # The biases of the top layer are its connections from a unit that is always on.
        self.top = keras.Sequential(
            [
                keras.Input((1,)),
                Dense(units[-1], use_bias=False, kernel_initializer="zeros"),
            ],
            name="top",
        )

        # ---- config ----
        self.units = tuple(units)
        self.binarize = binarize
        self.levels = levels
        self.setup()

    def phases(self):
        return [
            Phase("wake", self._wake_loss, (*self.generation, self.top), optimizer="generation"),
            Phase("sleep", self._sleep_loss, self.recognition, optimizer="recognition"),
        ]

    def inference_networks(self):
        """Each maps the states of one layer to the log-odds of the next; draw in between."""
        return {network.name: network for network in (*self.recognition, *self.generation)}

    # ---- training ---------------------------------------------------------------------------------

    def _wake_loss(self, batch, training):
        x = self._as_modelled(batch[self.data_field], self.seed_generator)
        states = self._recognize(x, [self.seed_generator] * len(self.units))
        return -ops.mean(self._log_generation(states))

    def _sleep_loss(self, batch, training):
        n = ops.shape(batch[self.data_field])[0]
        states = self._dream(n, [self.seed_generator] * (len(self.units) + 1))
        return -ops.mean(self._log_recognition(states))

    def _recognize(self, x, seeds):
        """Draws the hidden layers from the bottom up: `[x, bits of layer 1, ..., bits of the top]`."""
        states = [x]
        for network, seed in zip(self.recognition, seeds, strict=True):
            states.append(ops.stop_gradient(draw_bits(_log_odds(network, states[-1]), seed)))
        return states

    def _dream(self, n, seeds):
        """Draws all layers from the top down, in the order of `_recognize`."""
        states = [ops.stop_gradient(draw_bits(self._top_log_odds(n), seeds[0]))]
        for network, seed in zip(reversed(self.generation), seeds[1:], strict=True):
            states.append(ops.stop_gradient(draw_bits(_log_odds(network, states[-1]), seed)))
        states[-1] = self._as_data(states[-1])
        return states[::-1]

    def _as_data(self, values):
        return 2.0 * ops.reshape(values, (-1, *self.data_shape)) - 1.0

    def _top_log_odds(self, n):
        return _log_odds(self.top, ops.ones((n, 1)))

    def _log_generation(self, states):
        """log p(x, h) of all layers together: `(batch,)`, in nats."""
        bits = ops.reshape(0.5 * (states[0] + 1.0), (-1, self.size))
        top = self._top_log_odds(ops.shape(bits)[0])
        total = ops.sum(bernoulli.log_prob(states[-1], top), axis=-1)
        for values, above, network in zip(
            [bits, *states[1:-1]], states[1:], self.generation, strict=True
        ):
            total = total + ops.sum(bernoulli.log_prob(values, _log_odds(network, above)), axis=-1)
        return total

    def _log_recognition(self, states):
        """log q(h | x): `(batch,)`, in nats."""
        total = 0.0
        for values, below, network in zip(states[1:], states[:-1], self.recognition, strict=True):
            total = total + ops.sum(bernoulli.log_prob(values, _log_odds(network, below)), axis=-1)
        return total

    # ---- sampling ---------------------------------------------------------------------------------

    def sample_batch(self, n, random, conditions, *, noise: Flag = False):
        """Draws the hidden layers from the top down, and returns the means of the pixels given them.

        Args:
            n: How many.
            random: The stream of seeds.
            conditions: None: this model is told nothing.
            noise: Draw the pixels too.
        """
        states = self._dream(n, [random.next() for _ in range(len(self.units) + 1)])
        if noise:
            return states[0]
        return self._as_data(ops.sigmoid(_log_odds(self.generation[0], states[1])))

    # ---- likelihoods ------------------------------------------------------------------------------

    def _elbo(self, x, random, conditions):
        x = self._as_modelled(x, random.next())
        return self._draw_weight(x, [random.next() for _ in self.units])

    def _draw_weight(self, x, seeds):
        states = self._recognize(x, seeds)
        return self._log_generation(states) - self._log_recognition(states)

    def _log_weights(self, x, random, conditions, draws):
        x = self._as_modelled(x, random.next())
        layers = len(self.units)
        return ops.map(
            lambda index: self._draw_weight(
                x, [random.at(index * layers + level) for level in range(layers)]
            ),
            ops.arange(draws),
        )

    @checked
    def log_prob(self, x, *, seed: Seed = 0, **conditions):
        """log p(x), exact, by a sum over all hidden states: `(batch,)`, in nats.

        Raises:
            ValueError: If there are more than 20 hidden units.
        """
        if sum(self.units) > self.ENUMERATED:
            raise ValueError(
                f"{sum(self.units)} hidden units have too many states to enumerate; the limit is "
                f"{self.ENUMERATED}: use elbo() or log_prob_estimate()"
            )
        return super().log_prob(x, seed=seed, **conditions)

    def _log_prob(self, x, random, conditions):
        x = self._as_modelled(x, random.next())
        bits = ops.reshape(0.5 * (x + 1.0), (-1, self.size))
        every = [all_states(width) for width in self.units]
        # From the top down: the log-probability of each state of a layer, from those of the layer above.
        log_prior = log_table(every[-1], self._top_log_odds(1))[:, 0]
        for values, above, network in reversed(
            list(zip([bits, *every[:-1]], every, self.generation, strict=True))
        ):
            table = log_table(values, _log_odds(network, above))
            log_prior = ops.logsumexp(table + log_prior, axis=-1)
        return log_prior


def _log_odds(network, states):
    """What a network says of the layer next to `states`, in float32 whatever the policy."""
    return ops.cast(network(states), "float32")
