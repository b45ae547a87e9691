"""Restricted Boltzmann machine (Smolensky 1986), trained by contrastive divergence (Hinton 2002, "Training
products of experts by minimizing contrastive divergence") or its persistent form (Tieleman 2008, "Training
restricted Boltzmann machines using approximations to the likelihood gradient").

As in the papers: block Gibbs sampling; chains from the data for contrastive divergence, and chains of their
own, carried from update to update, for the persistent form; binary hidden units.

Differences from the papers: any Keras optimizer instead of gradient steps with momentum; the hidden units
enter the statistics with their probabilities in both phases (as Hinton's practical guide, 2012, advises),
which is what the gradient of the free energy says; the optimizer is given that gradient by a surrogate loss,
the free energy of data minus that of the chains, whose value is no likelihood; grey images are binarized anew
in each step where `binarize` is set. Continuous visible units are those of Cho, Ilin & Raiko 2011 ("Improved
learning of Gaussian-Bernoulli restricted Boltzmann machines"), with the logarithm of the variance learned, or
a given variance. Grey levels of images with continuous units are filled up with uniform noise. Sampling
raises the inverse temperature from 0 to 1 in the first half of its steps.
"""

import math
from typing import Literal

import keras
from keras import ops

from gm_keras.core import GenerativeModel, Phase
from gm_keras.core.levels import LevelsMixin
from gm_keras.models.boltzmann.base import draw_bits
from gm_keras.models.boltzmann.bipartite import Bipartite
from gm_keras.models.boltzmann.partition import PartitionMixin
from gm_keras.types import (
    Flag,
    Levels,
    PositiveFloat,
    Repeats,
    Shape,
    Timesteps,
    Width,
)


@keras.saving.register_keras_serializable("gm_keras")
class PersistentChains(keras.layers.Layer):
    """The visible values of Gibbs chains that a training carries on; they start at zero.

    Args:
        chains: How many.
        visible_units: Values of each.
    """

    def __init__(self, chains, visible_units, **options):
        super().__init__(**{"dtype": "float32", **options})
        # At first the weights are small, so that one step forgets the start.
        self.visible = self.add_weight(
            shape=(chains, visible_units), initializer="zeros", trainable=False, name="visible"
        )
        self.built = True


@keras.saving.register_keras_serializable("gm_keras")
class RBM(LevelsMixin, PartitionMixin, GenerativeModel):
    """Restricted Boltzmann machine with binary or continuous visible units and binary hidden ones.

    Args:
        image_shape: Shape of one example: (height, width, channels), or (features,).
        hidden: Number of hidden units.
        visible: "bernoulli": values in [-1, 1], of which -1 is off and 1 is on, and grey values between
            are probabilities; or "gaussian": continuous values, taken as they are.
        variance: Of continuous visible units; None learns one for each unit.
        steps: Gibbs steps in each update (the k of CD-k).
        persistent: Carry the chains from update to update instead of starting at the data.
        chains: Number of persistent chains.
        binarize: Draw each pixel as 0 or 1 with its brightness as probability, anew in each step.
        levels: Number of grey levels of the data, or None for continuous data.
    """

    offers = frozenset({"sampler", "energy"})

    def __init__(
        self,
        image_shape: Shape,
        hidden: Width = 128,
        visible: Literal["bernoulli", "gaussian"] = "bernoulli",
        variance: PositiveFloat | None = None,
        steps: Repeats = 1,
        persistent: Flag = False,
        chains: Width = 64,
        binarize: Flag = False,
        levels: Levels | None = None,
        name: str | None = None,
    ):
        super().__init__(name=name)
        if variance is not None and visible != "gaussian":
            raise ValueError('variance needs visible="gaussian"')
        if binarize and visible != "bernoulli":
            raise ValueError('binarize needs visible="bernoulli"')

        # ---- networks ----
        self.gaussian = visible == "gaussian"
        self.size = math.prod(image_shape)
        self.machine = Bipartite(self.size, hidden, self.gaussian, variance, name="machine")
        self._build_networks(tuple(image_shape), hidden)

        # ---- state ----
        self.chains = PersistentChains(chains, self.size, name="chains") if persistent else None

        # ---- config ----
        self.hidden = hidden
        self.steps = steps
        self.binarize = binarize
        self.levels = levels
        self.setup()

    def _build_networks(self, image_shape, hidden):
        """The machine's three functions as networks from and to the range of the data."""
        images = keras.Input(image_shape, name="inputs")
        values = keras.layers.Reshape((self.size,), dtype="float32")(images)
        if not self.gaussian:
            values = keras.layers.Rescaling(0.5, 0.5, dtype="float32")(values)
        self.recognition = keras.Model(images, self.machine(values), name="recognition")
        energy = self.machine(values, output="free_energy")
        self.free_energy_network = keras.Model(images, energy, name="free_energy")
        bits = keras.Input((hidden,), name="inputs")
        mean = self.machine(bits, output="visible")
        if not self.gaussian:
            mean = keras.layers.Rescaling(2.0, -1.0, dtype="float32")(mean)
        mean = keras.layers.Reshape(image_shape, dtype="float32")(mean)
        self.generation = keras.Model(bits, mean, name="generation")

    def phases(self):
        networks = (self.machine,) if self.chains is None else (self.machine, self.chains)
        return [Phase("divergence", self._loss, networks)]

    def inference_networks(self):
        return {
            "recognition": self.recognition,
            "generation": self.generation,
            "free_energy": self.free_energy_network,
        }

    @property
    def continuous(self) -> bool:
        return self.gaussian

    # ---- training ---------------------------------------------------------------------------------

    def _loss(self, batch, training):
        data = self._values(batch[self.data_field], self.seed_generator)
        start = data if self.chains is None else ops.convert_to_tensor(self.chains.visible)
        chains = start
        for _ in range(self.steps):
            chains = self.machine.gibbs_step(chains, (self.seed_generator, self.seed_generator))
        # The gradient must not go through the draws: it is that of the two free energies alone.
        chains = ops.stop_gradient(chains)
        loss = ops.mean(self.machine.free_energy(data)) - ops.mean(self.machine.free_energy(chains))
        if training and self.chains is not None:
            self.chains.visible.assign(chains)
        return loss

    def _values(self, x, seed):
        """Data as the visible units see them, `(batch, size)`: bits, probabilities, or continuous values."""
        x = self._as_modelled(ops.reshape(x, (-1, self.size)), seed)
        return x if self.gaussian else 0.5 * (x + 1.0)

    # ---- sampling ---------------------------------------------------------------------------------

    def sample_batch(self, n, random, conditions, *, steps: Timesteps = 1000, noise: Flag = False):
        """Runs Gibbs chains from independent visible units, and returns the last means.

        Args:
            n: How many.
            random: The stream of seeds.
            conditions: None: this model is told nothing.
            steps: Gibbs steps; in the first half the inverse temperature rises from 0 to 1.
            noise: Return a draw of the visible units instead of their means.
        """
        chains = self.machine.gibbs_chains(n, random, steps)
        hidden = draw_bits(self.machine.hidden_input(chains), random.next())
        if noise:
            values = self.machine.draw_visible(hidden, random.next())
        else:
            values = self.machine(hidden, output="visible")
        if not self.gaussian:
            values = 2.0 * values - 1.0
        values = ops.reshape(values, (n, *self.data_shape))
        # Means of continuous units may leave the range of an image.
        return ops.clip(values, -1.0, 1.0) if self.data_field == "image" else values
