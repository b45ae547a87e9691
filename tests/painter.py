"""A small model that is told a caption and a mask: what no system of the registry is told yet."""

import keras
import numpy as np
from keras import layers, ops

from gm_keras.core import Condition, DensityMixin, GenerativeModel, Phase
from gm_keras.distributions import normal


@keras.saving.register_keras_serializable("gm_keras_tests")
class Painter(DensityMixin, GenerativeModel):
    """A normal density of images: the mean of a pixel is one number for its class and one for the caption."""

    offers = frozenset({"sampler", "density"})
    nats_of = "density"
    data_range = None

    def __init__(self, image_shape, caption_length, mask_classes=2, dropout=0.0, name=None):
        super().__init__(name=name)

        # ---- networks ----
        one = keras.Input((1,))
        caption = keras.Input((caption_length,), dtype="int32")
        mask = keras.Input(tuple(image_shape), dtype="int32")
        letters = layers.GlobalAveragePooling1D()(layers.Embedding(256, 4)(caption))
        brightness = layers.Dense(1)(layers.Concatenate()([one, letters]))
        shade = layers.Embedding(mask_classes + 1, 1)(layers.Reshape(image_shape[:2])(mask))
        mean = layers.Add()([shade, layers.Reshape((1, 1, 1))(brightness)])
        self.network = keras.Model([one, caption, mask], mean)

        # ---- config ----
        self.caption_length, self.mask_classes = caption_length, mask_classes
        self.dropout = dropout
        self.setup()

    @property
    def conditions(self):
        return {
            "caption": Condition.caption(self.caption_length, dropout=self.dropout),
            "mask": Condition.mask(self.data_shape, self.mask_classes),
        }

    def phases(self):
        return [Phase("nll", self._loss, (self.network,))]

    def inference_networks(self):
        return {"network": self.network}

    def _mean(self, n, conditions):
        return ops.cast(self.network(self.with_told(conditions, ops.ones((n, 1)))), "float32")

    def _loss(self, batch, training):
        conditions = self.told_in(batch, training)
        return -ops.mean(self._log_prob(batch["image"], None, conditions))

    def _log_prob(self, x, random, conditions):
        mean = self._mean(ops.shape(x)[0], conditions)
        return ops.sum(normal.log_prob(x, mean), axis=(1, 2, 3))

    def sample_batch(self, n, random, conditions):
        """Draws from the density."""
        noise = keras.random.normal((n, *self.data_shape), seed=random.next())
        return self._mean(n, conditions) + noise


#: Bytes of the captions.
LENGTH = 6
SHAPE = (4, 4, 1)


def painter(dropout=0.0) -> Painter:
    """One that has learned nothing yet."""
    model = Painter(SHAPE, LENGTH, dropout=dropout)
    model.compile(keras.optimizers.Adam(0.1))
    return model


def paintings(n=64, seed=0) -> dict[str, np.ndarray]:
    """Images of noise around 1 for the caption "light" and -1 for "dark", 2 brighter where the mask is 1."""
    rng = np.random.default_rng(seed)
    light = rng.integers(0, 2, n)
    codes = np.stack(
        [np.frombuffer(word.ljust(LENGTH, b"\0"), "uint8") for word in (b"dark", b"light")]
    )
    mask = rng.integers(0, 2, (n, *SHAPE))
    mean = (2.0 * light - 1.0).reshape(-1, 1, 1, 1) + 2.0 * mask
    return {
        "image": (mean + 0.1 * rng.normal(size=mask.shape)).astype("float32"),
        "caption": codes[light].astype("int32"),
        "mask": mask.astype("int32"),
    }
