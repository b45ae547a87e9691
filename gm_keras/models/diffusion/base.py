"""What diffusion models share: the forward process, its exact reversal, and all that follows from the predicted noise."""

import keras
import numpy as np
from keras import ops

from gm_keras.core import Condition, GenerativeModel, LatentsMixin
from gm_keras.models.diffusion.bound import BoundMixin
from gm_keras.models.diffusion.reverse import ReverseMixin
from gm_keras.models.diffusion.schedules import Schedule


class DiffusionModel(ReverseMixin, BoundMixin, LatentsMixin, GenerativeModel):
    """A network that sees the noise in noisy examples, and with it a sampler and a bound.

    A constructor builds `denoiser`, which is given noisy examples, their times and what the model is told, and sets
    `timesteps`, `schedule`, `variance`, `reverse_variance`, `levels`, `num_classes` and `label_dropout`.
    """

    offers = frozenset({"sampler", "bound", "latents", "trajectory"})

    timesteps: int
    schedule: Schedule
    levels: int | None
    label_dropout: float

    @property
    def conditions(self):
        if not self.num_classes:
            return {}
        return {"label": Condition.label(self.num_classes, dropout=self.label_dropout)}

    def inference_networks(self):
        return {"denoiser": self.denoiser}

    @property
    def nats_of(self) -> str:
        """What the bound is a bound of: "discrete" data or a "density"."""
        return "discrete" if self.levels else "density"

    def _draw_latents(self, n, seed):
        return keras.random.normal((n, *self.data_shape), seed=seed)

    # ---- the forward process and its reversal -----------------------------------------------------

    def _at(self, table: np.ndarray, time):
        """Values of a `(T + 1,)` table at integer times `(batch,)`, shaped to multiply examples."""
        values = ops.take(ops.convert_to_tensor(table.astype("float32")), time)
        return ops.reshape(values, (-1, *[1] * len(self.data_shape)))

    def _diffuse(self, x, time, noise):
        """A draw of q(x_t | x_0) made of the given standard normal noise."""
        alpha_bar = self.schedule.alpha_bar
        return (
            self._at(np.sqrt(alpha_bar), time) * x
            + self._at(np.sqrt(1.0 - alpha_bar), time) * noise
        )

    def _noise(self, x, time, conditions, training=False):
        """The noise that the network sees in `x`."""
        inputs = self.with_told(conditions, x, time)
        return ops.cast(self.denoiser(inputs, training=training), "float32")

    def _clean(self, x, time, noise, clip):
        """The expected clean example, given the noise that was predicted."""
        alpha_bar = self.schedule.alpha_bar
        clean = (x - self._at(np.sqrt(1.0 - alpha_bar), time) * noise) * self._at(
            1.0 / np.sqrt(alpha_bar), time
        )
        return ops.clip(clean, -1.0, 1.0) if clip else clean

    @property
    def _clips(self) -> bool:
        # Images lie in [-1, 1], vectors anywhere.
        return len(self.data_shape) == 3
