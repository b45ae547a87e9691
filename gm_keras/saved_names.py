"""The classes that a saved model may name: Keras finds each before it was imported.

Keras knows the classes that were registered with it, and registering one means importing it. So what it is given first
is a stand-in for each class, which imports the class when a saved model names it.
"""

import importlib
from types import ModuleType
from typing import Any

import wrapt

from gm_keras import registry

PACKAGE = "gm_keras"
#: What the models are made of. A test holds this to the classes that are registered.
PARTS: dict[str, tuple[str, ...]] = {
    "core.optimizers": ("OptimizerGroup",),
    "layers.attention": ("SpatialSelfAttention", "GatedSelfAttention"),
    "layers.categorical_codes": ("CategoricalCodes",),
    "layers.causal_attention": ("CausalSelfAttention",),
    "layers.causal_convolution": ("CausalConvolution1D",),
    "layers.conditional_normalization": ("ConditionalBatchNormalization",),
    "layers.convolution": ("Conv1D", "Conv2D", "Conv2DTranspose"),
    "layers.coupling": ("CheckerboardCoupling", "ChannelCoupling"),
    "layers.dense": ("Dense",),
    "layers.deviation": ("GlobalDeviation",),
    "layers.embedding": ("SinusoidalEmbedding", "Embedding", "TiedEmbedding"),
    "layers.equalized": ("EqualizedDense", "EqualizedConv2D"),
    "layers.everywhere": ("AddEverywhere",),
    "layers.fade_in": ("FadeIn",),
    "layers.initializers": ("HostGlorotUniform", "HostUniform", "HostNormal", "HostOrthogonal"),
    "layers.logit": ("GreyLevelLogit",),
    "layers.masked_convolution": ("MaskedConvolution", "Gate"),
    "layers.maxout": ("Maxout",),
    "layers.minibatch_deviation": ("MinibatchDeviation",),
    "layers.minibatch_discrimination": ("MinibatchDiscrimination",),
    "layers.normalization": ("GroupNormalization", "LayerNormalization"),
    "layers.pixel_normalization": ("PixelNormalization",),
    "layers.running_normalization": ("RunningNormalization",),
    "layers.spectral_normalization": ("SpectralNormalization",),
    "layers.squeeze": ("Squeeze",),
    "layers.vector_quantizer": ("VectorQuantizer",),
    "layers.virtual_batch_normalization": (
        "WithReference",
        "VirtualBatchNormalization",
        "WithoutReference",
    ),
    "layers.weight_normalization": ("WeightNormConv2D",),
    "models.boltzmann.bipartite": ("Bipartite",),
    "models.boltzmann.rbm": ("PersistentChains",),
    "networks.transformer": ("LearnedPositions", "TransformerBlock", "Transformer"),
}


def places() -> dict[str, str]:
    """For each registered name, such as "gm_keras>VAE", the module that holds the class."""
    parts = {cls: f"{PACKAGE}.{module}" for module, found in PARTS.items() for cls in found}
    return {f"{PACKAGE}>{cls}": module for cls, module in {**parts, **registry.classes()}.items()}


def import_class(name: str) -> None:
    """Imports the class of a registered name, if it is one of ours: it then stands in the place of its stand-in."""
    module = places().get(name)
    if module is not None:
        importlib.import_module(module)


def register() -> None:
    """Has Keras know the names: at once where it is imported already, otherwise as soon as it is."""
    wrapt.register_post_import_hook(_give, "keras")


def _give(keras: ModuleType) -> None:
    known = keras.saving.get_custom_objects()
    for name, module in places().items():
        known.setdefault(name, _stand_in(name, module))


def _stand_in(name: str, module: str) -> type:
    cls = name.partition(">")[2]

    def from_config(_: type, config: dict[str, Any], **options: Any) -> Any:
        # Importing it registers the class in the place of its stand-in.
        return getattr(importlib.import_module(module), cls).from_config(config, **options)

    return type(cls, (), {"__module__": module, "from_config": classmethod(from_config)})
