"""The game that generative adversarial networks play: latents, samples, phases, and what both losses have in common."""

from typing import Any, ClassVar

import keras
from keras import ops

from gm_keras.core import GenerativeModel, LatentsMixin, Phase
from gm_keras.core.statistics import unchanged
from gm_keras.losses import penalties


class GAN(LatentsMixin, GenerativeModel):
    """A generator against a critic; a system is its networks, its objective and its regularizer.

    A constructor builds `generator` and the network that `critic_name` names, and sets `latent_dim` and, where latents
    are not normal, `latent_prior` to "uniform". Each phase leaves
    the batch normalization of the other network as it is: its moving averages belong to its own phase.
    """

    offers = frozenset({"sampler", "latents"})
    #: What the critic is called: as an attribute, a phase and an optimizer.
    critic_name: ClassVar[str] = "discriminator"
    #: Updates of the critic for one of the generator.
    n_critic: int = 1
    latent_dim: int

    def _players(self):
        """The critic and the generator of the present stage."""
        return getattr(self, self.critic_name), self.generator

    def phases(self):
        critic, generator = self._players()
        name = self.critic_name
        return [
            Phase(name, self._critic_loss, (critic,), name, repeats=self.n_critic),
            Phase("generator", self._generator_loss, (generator,), "generator"),
        ]

    def inference_networks(self):
        return {"generator": self.generator}

    # ---- what the networks say --------------------------------------------------------------------

    def _call(self, network, inputs, training):
        return ops.cast(network(inputs, training=training), "float32")

    def _scores(self, x, training):
        """What the critic says of examples; of a discriminator these are logits."""
        return self._call(self._players()[0], x, training)

    def _draw_latents(self, n, seed):
        if self.latent_prior == "uniform":
            return keras.random.uniform((n, self.latent_dim), -1.0, 1.0, seed=seed)
        return keras.random.normal((n, self.latent_dim), seed=seed)

    def _fakes(self, n, training):
        latents = self._draw_latents(n, self.seed_generator)
        return self._call(self._players()[1], latents, training)

    # ---- losses -----------------------------------------------------------------------------------

    def _critic_loss(self, batch, training):
        real = self._data(batch[self.data_field])
        _, generator = self._players()
        with unchanged(generator):
            fake = ops.stop_gradient(self._fakes(ops.shape(real)[0], training))
        return self._objective(real, fake, training)

    def _generator_loss(self, batch, training):
        fake = self._fakes(ops.shape(batch[self.data_field])[0], training)
        critic, _ = self._players()
        with unchanged(critic):
            scores = self._scores(fake, training)
        return self._generator_objective(scores)

    def _data(self, x: Any) -> Any:
        """Data as the critic sees them."""
        return x

    def _objective(self, real: Any, fake: Any, training: bool) -> Any:
        """The critic's loss; the generator gets no gradient from it."""
        raise NotImplementedError(f"{type(self).__name__} must define _objective()")

    def _generator_objective(self, scores: Any) -> Any:
        """The generator's loss, given the critic's scores of its examples."""
        raise NotImplementedError(f"{type(self).__name__} must define _generator_objective()")

    def _gradient_penalty(self, real, fake, training):
        """How far the critic's slope is from 1 at random points between data and fakes, squared, on average."""
        fractions = keras.random.uniform((ops.shape(real)[0],), seed=self.seed_generator)
        between = penalties.interpolates(real, fake, fractions)
        slopes = self.gradient(lambda x: self._scores(x, training), between)
        return penalties.gradient_penalty(slopes)

    # ---- samples ----------------------------------------------------------------------------------

    def _decode(self, latents, conditions):
        return self._call(self._players()[1], latents, False)

    def sample_batch(self, n, random, conditions):
        """Examples of random latents, normalized by the moving averages: `(n, *shape of one example)`."""
        return self._decode(self._draw_latents(n, random.next()), conditions)
