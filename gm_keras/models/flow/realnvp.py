"""RealNVP."""

import math

import keras
from keras import ops

from gm_keras.core import AutoencoderMixin, GenerativeModel, Phase
from gm_keras.distributions import normal
from gm_keras.layers.coupling import ChannelCoupling, CheckerboardCoupling
from gm_keras.layers.logit import GreyLevelLogit
from gm_keras.layers.running_normalization import RunningNormalization
from gm_keras.layers.squeeze import Squeeze
from gm_keras.networks.convolutional import halvings
from gm_keras.networks.dense import dense
from gm_keras.networks.multiscale import multiscale_flow
from gm_keras.networks.resnet import residual
from gm_keras.ops.random import RandomStream


@keras.saving.register_keras_serializable("gm_keras")
class RealNVP(AutoencoderMixin, GenerativeModel):
    offers = frozenset({"sampler", "density", "autoencoder"})

    def __init__(
        self,
        image_shape,
        levels=None,
        num_scales=2,
        couplings=None,
        filters=32,
        blocks=2,
        units=(64, 64),
        batch_norm=True,
        momentum=0.9,
        alpha=0.05,
        dropout=0.0,
        name=None,
    ):
        super().__init__(name=name)
        self.filters, self.blocks, self.units = filters, blocks, units
        self.dropout = dropout
        self.batch_norm, self.momentum = batch_norm, momentum
        if len(image_shape) == 3:
            scales = self._image_scales(tuple(image_shape), num_scales, couplings or 3)
            if levels:
                scales[0].insert(0, GreyLevelLogit(levels, alpha))
        else:
            scales = [self._vector_couplings(image_shape[0], couplings or 8)]
        self.flow, self.decoder = multiscale_flow(image_shape, scales)
        self.encoder = keras.Model(self.flow.inputs, self.flow.outputs[0], name="encoder")

        self.seed_generator = keras.random.SeedGenerator(0)
        self.levels = levels
        self.setup()

    def _vector_couplings(self, features, count):
        bijectors = []
        for index in range(count):
            network = dense((features,), self.units, 2 * features, name=f"coupling_{index}")
            bijectors.append(CheckerboardCoupling(network, flip=index % 2 == 1))
            if self.batch_norm:
                bijectors.append(RunningNormalization(self.momentum))
        return bijectors

    def _image_scales(self, shape, num_scales, couplings):
        height, width, channels = shape
        count = 1 + min(halvings(height, num_scales - 1), halvings(width, num_scales - 1))
        scales = []
        for scale in range(count):
            last = scale == count - 1
            filters = self.filters * 2**scale
            bijectors = self._couplings(
                CheckerboardCoupling,
                (height, width, channels),
                channels,
                filters,
                couplings + last,
                f"scale_{scale}_checkerboard",
            )
            if not last:
                bijectors.append(Squeeze())
                height, width, channels = height // 2, width // 2, 2 * channels
                bijectors += self._couplings(
                    ChannelCoupling,
                    (height, width, channels),
                    channels,
                    filters,
                    couplings,
                    f"scale_{scale}_channel",
                )
            scales.append(bijectors)
        return scales

    def _couplings(self, coupling, kept_shape, changed, filters, count, name):
        bijectors = []
        for index in range(count):
            network = residual(
                kept_shape,
                filters,
                self.blocks,
                2 * changed,
                dropout=self.dropout,
                name=f"{name}_{index}",
            )
            bijectors.append(coupling(network, flip=index % 2 == 1))
            if self.batch_norm:
                bijectors.append(RunningNormalization(self.momentum))
        return bijectors

    def phases(self):
        return [Phase("nll", self._loss, (self.flow,))]

    def inference_networks(self):
        return {"encoder": self.encoder, "decoder": self.decoder}

    @property
    def nats_of(self) -> str:
        return "discrete" if self.levels else "density"

    def _loss(self, batch, training):
        x = self._dequantize(batch[self.data_field], self.seed_generator)
        return -ops.mean(self._density(x, training))

    def _dequantize(self, x, seed):
        if not self.levels:
            return x
        grey = ops.round(0.5 * (x + 1.0) * (self.levels - 1))
        noise = keras.random.uniform(ops.shape(x), -0.5, 0.5, seed=seed)
        return (grey + noise) * self._level_width - 1.0

    @property
    def _level_width(self):
        return 2.0 / (self.levels - 1)

    def _density(self, x, training=False):
        latents, log_det = self.flow(x, training=training)
        log_prob = ops.sum(normal.log_prob(latents), axis=-1) + log_det
        if self.levels:
            log_prob = log_prob + math.prod(self.data_shape) * math.log(self._level_width)
        return log_prob

    def log_prob(self, x, *, label=None, seed=0):
        return self._run_with_label(self._log_prob, label, x, seed)

    def _log_prob(self, x, seed, label=None):
        return self._density(self._dequantize(x, RandomStream(seed).next()))

    def encode(self, x, *, label=None):
        return self._run_with_label(self._encode, label, x)

    def _encode(self, x, label=None):
        return self.encoder(x)

    def decode(self, latents, *, label=None):
        return self._run_with_label(self._decode, label, latents)

    def _decode(self, latents, label=None):
        return self.decoder(latents)

    def sample_batch(self, n, random, label=None, *, temperature=1.0):
        size = math.prod(self.data_shape)
        latents = temperature * keras.random.normal((n, size), seed=random.next())
        x = self.decoder(latents)
        if not self.levels:
            return x
        grey = ops.clip(ops.round(0.5 * (x + 1.0) * (self.levels - 1)), 0, self.levels - 1)
        return grey * self._level_width - 1.0
