"""The game that generative adversarial networks play: latents, samples, phases, and what both losses have in common."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from gm_keras.core import GenerativeModel, LatentsMixin, Phase
from gm_keras.core.statistics import unchanged
from gm_keras.losses import penalties
from gm_keras.losses.adversarial import OBJECTIVES, Objective


class GAN(LatentsMixin, GenerativeModel):
    """A generator against a critic; a system is its networks, its objective and its regularizer.

    A constructor builds `generator` and the network that `critic_name` names, and sets the attributes below. With
    `num_classes` the networks take a label as their second input. Each phase leaves the batch normalization of the
    other network as it is: its moving averages belong to its own phase.
    """

    offers = frozenset({"sampler", "latents"})
    #: What the critic is called: as an attribute, a phase and an optimizer.
    critic_name: ClassVar[str] = "discriminator"
    #: What both players minimize; one of `losses.adversarial.OBJECTIVES`, or made for the system.
    objective: Objective
    #: On the critic's slope, one of `losses.penalties.PENALTIES`, and what it is multiplied by.
    penalty: penalties.Penalty | None = None
    penalty_weight: float = 0.0
    #: After each update the critic's weights are cut to [-clip, clip].
    clip: float | None = None
    #: Weight of the mean square of the scores of data, which keeps them near 0 (Karras et al. 2018).
    drift: float = 0.0
    #: Updates of the critic for one of the generator.
    n_critic: int = 1
    latent_dim: int

    def setup(self, logs: Sequence[str] = ()) -> None:
        """Ends a constructor; the curves of objective and penalty are declared here.

        Args:
            logs: Names of further curves.
        """
        penalty = [self.penalty.name] if self.penalty else []
        super().setup(logs=(*self.objective.curves, *penalty, *logs))
        if self.clip is not None:
            cut = functools.partial(penalties.clipped, bound=self.clip)
            for phase in self._phases_of_all_stages():
                if phase.name == self.critic_name:
                    for variable in phase.variables:
                        # An optimizer applies it after each update of the variable.
                        variable.constraint = cut

    def play(
        self,
        loss: str,
        penalty: str | None = None,
        penalty_weight: float | None = None,
        clip: float | None = None,
    ) -> None:
        """Chooses the game, in a constructor.

        Args:
            loss: One of `losses.adversarial.OBJECTIVES`.
            penalty: One of `losses.penalties.PENALTIES`, "clipping" of the weights, or None.
            penalty_weight: None is the one of the penalty's paper.
            clip: With "clipping", the largest size of a weight.
        """
        self.objective = OBJECTIVES[loss]
        self.penalty = penalties.PENALTIES.get(penalty)
        if self.penalty:
            self.penalty_weight = self.penalty.weight if penalty_weight is None else penalty_weight
        self.clip = clip if penalty == "clipping" else None

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

    def _scores(self, x, conditions, training):
        """What the critic says of examples; of a discriminator these are logits."""
        return self._call(self._players()[0], self.with_told(conditions, x), training)

    def _draw_latents(self, n, seed):
        if self.latent_prior == "uniform":
            return keras.random.uniform((n, self.latent_dim), -1.0, 1.0, seed=seed)
        return keras.random.normal((n, self.latent_dim), seed=seed)

    def _generated(self, latents, conditions, training):
        """The examples of latents."""
        return self._call(self._players()[1], self.with_told(conditions, latents), training)

    def _fakes(self, n, conditions, training):
        return self._generated(self._draw_latents(n, self.seed_generator), conditions, training)

    def _conditions_of_fakes(self, conditions: Mapping[str, Any], n: Any) -> Mapping[str, Any]:
        """What `n` fakes are told in training; by default what the batch's examples are.

        Args:
            conditions: Those of the batch.
            n: Its size.
        """
        del n
        return conditions

    # ---- losses -----------------------------------------------------------------------------------

    def _critic_loss(self, batch, training):
        real = self._data(batch[self.data_field])
        size = ops.shape(real)[0]
        conditions = self.told_in(batch, training)
        told = self._conditions_of_fakes(conditions, size)
        _, generator = self._players()
        with unchanged(generator):
            fake = ops.stop_gradient(self._fakes(size, told, training))
        return self._objective((real, conditions), (fake, told), training)

    def _generator_loss(self, batch, training):
        size = ops.shape(batch[self.data_field])[0]
        told = self._conditions_of_fakes(self.told_in(batch, training), size)
        fake = self._fakes(size, told, training)
        critic, _ = self._players()
        with unchanged(critic):
            scores = self._scores(fake, told, training)
        return self._generator_objective(scores)

    def _data(self, x: Any) -> Any:
        """Data as the critic sees them."""
        return x

    def _objective(
        self,
        real: tuple[Any, Mapping[str, Any]],
        fake: tuple[Any, Mapping[str, Any]],
        training: bool,
    ) -> Any:
        """The critic's loss; the generator gets no gradient from it.

        Args:
            real: Data and what they are told.
            fake: Samples and what they are told.
            training: Whether it is a step of training.
        """
        scores = self._scores(*real, training), self._scores(*fake, training)
        self._log_scores(*scores)
        return self._regularizer(real, fake, scores[0], training) + self.objective.critic(*scores)

    def _log_scores(self, real_scores, fake_scores):
        """Adds to the curves that the objective reports."""
        for name, curve in self.objective.curves.items():
            self.log(name, curve(real_scores, fake_scores))

    def _generator_objective(self, scores: Any) -> Any:
        """The generator's loss, given the critic's scores of its examples."""
        return self.objective.generator(scores)

    def _regularizer(self, real, fake, real_scores, training):
        """What is added to the critic's objective: penalty and drift, weighted."""
        total = 0.0
        if self.penalty:
            total = total + self.penalty_weight * self._penalty(real, fake, training)
        if self.drift:
            total = total + self.drift * ops.mean(ops.square(real_scores))
        return total

    def _penalty(self, real, fake, training):
        """The penalty on the critic's slope; between data and fakes the critic is told what it is told of data."""
        if self.penalty.at == "between":
            fractions = keras.random.uniform((ops.shape(real[0])[0],), seed=self.seed_generator)
            points, told = penalties.interpolates(real[0], fake[0], fractions), real[1]
        else:
            points, told = real if self.penalty.at == "data" else fake
        slopes = self.gradient(lambda x: self._scores(x, told, training), points)
        value = self.penalty.value(slopes)
        self.log(self.penalty.name, value)
        return value

    # ---- samples ----------------------------------------------------------------------------------

    def _decode(self, latents, conditions):
        return self._generated(latents, conditions, False)

    def sample_batch(self, n, random, conditions):
        """Examples of random latents, normalized by the moving averages: `(n, *shape of one example)`."""
        return self._decode(self._draw_latents(n, random.next()), conditions)
