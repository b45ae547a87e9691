"""The couplings of RealNVP, in order."""

from collections.abc import Sequence

import keras

from gm_keras.layers.bijector import Bijector
from gm_keras.layers.coupling import AffineCoupling, ChannelCoupling, CheckerboardCoupling
from gm_keras.layers.running_normalization import RunningNormalization
from gm_keras.layers.squeeze import Squeeze
from gm_keras.networks.convolutional import check_widest, halvings
from gm_keras.networks.dense import dense
from gm_keras.networks.resnet import residual


def vector_couplings(
    features: int, count: int, normalization: dict | None, units: Sequence[int]
) -> list[Bijector]:
    """Couplings with fully connected networks, which alternate between the features.

    Args:
        features: Values of an example.
        count: How many couplings.
        normalization: Arguments of the normalization after each coupling; None for none.
        units: Widths of the networks' hidden layers.
    """
    networks = [dense((features,), units, 2 * features, name=f"coupling_{i}") for i in range(count)]
    return _alternating(CheckerboardCoupling, networks, normalization)


def image_couplings(
    image_shape: Sequence[int],
    num_scales: int,
    couplings: int,
    normalization: dict | None,
    *,
    filters: int,
    blocks: int,
    dropout: float,
) -> list[list[Bijector]]:
    """The layers of each scale: couplings of checkerboards, a squeeze, couplings of channels.

    Args:
        image_shape: (height, width, channels).
        num_scales: At the most; a scale follows where height and width are even. The last one has
            checkerboards alone.
        couplings: Of each kind at each scale, and one more at the last.
        normalization: Arguments of the normalization after each coupling; None for none.
        filters: Of the networks of the first scale; twice as many in each further one.
        blocks: Residual blocks in each network.
        dropout: In these blocks.
    """
    height, width, channels = image_shape
    last = min(halvings(height, num_scales - 1), halvings(width, num_scales - 1))
    check_widest("filters", filters * 2**last)
    scales = []
    for scale in range(last + 1):

        def networks(kind, count, shape, scale=scale):
            # Checkerboards see and change all channels; the others half, and change the other half.
            return [
                residual(
                    shape,
                    filters * 2**scale,
                    blocks,
                    2 * shape[-1],
                    dropout=dropout,
                    name=f"scale_{scale}_{kind}_{index}",
                )
                for index in range(count)
            ]

        shape, count = (height, width, channels), couplings + (scale == last)
        boards = networks("checkerboard", count, shape)
        bijectors = _alternating(CheckerboardCoupling, boards, normalization)
        if scale < last:
            height, width, channels = height // 2, width // 2, 2 * channels
            halves = networks("channel", couplings, (height, width, channels))
            bijectors += [Squeeze(), *_alternating(ChannelCoupling, halves, normalization)]
        scales.append(bijectors)
    return scales


def _alternating(
    coupling: type[AffineCoupling], networks: list[keras.Model], normalization: dict | None
) -> list[Bijector]:
    bijectors = []
    for index, network in enumerate(networks):
        bijectors.append(coupling(network, flip=index % 2 == 1))
        if normalization:
            bijectors.append(RunningNormalization(**normalization))
    return bijectors
