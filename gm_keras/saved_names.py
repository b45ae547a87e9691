"""The classes that a saved model may name: Keras finds each before it was imported.

Keras knows the classes that were registered with it, and registering one means importing it. So what it is given first
is a stand-in for each class, which imports the class when a saved model names it.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from types import ModuleType
from typing import Any

from gm_keras import registry

PACKAGE = "gm_keras"
#: What the models are made of. A test holds this to the classes that are registered.
PARTS: dict[str, tuple[str, ...]] = {
    "core.optimizers": ("OptimizerGroup",),
    "layers.attention": ("SpatialSelfAttention",),
    "layers.causal_attention": ("CausalSelfAttention",),
    "layers.causal_convolution": ("CausalConvolution1D",),
    "layers.convolution": ("Conv1D", "Conv2D", "Conv2DTranspose"),
    "layers.coupling": ("CheckerboardCoupling", "ChannelCoupling"),
    "layers.dense": ("Dense",),
    "layers.deviation": ("GlobalDeviation",),
    "layers.embedding": ("SinusoidalEmbedding", "TiedEmbedding"),
    "layers.equalized": ("EqualizedDense", "EqualizedConv2D"),
    "layers.everywhere": ("AddEverywhere",),
    "layers.fade_in": ("FadeIn",),
    "layers.initializers": ("HostGlorotUniform", "HostNormal"),
    "layers.logit": ("GreyLevelLogit",),
    "layers.masked_convolution": ("MaskedConvolution", "Gate"),
    "layers.minibatch_deviation": ("MinibatchDeviation",),
    "layers.normalization": ("GroupNormalization", "LayerNormalization"),
    "layers.pixel_normalization": ("PixelNormalization",),
    "layers.running_normalization": ("RunningNormalization",),
    "layers.squeeze": ("Squeeze",),
    "layers.vector_quantizer": ("VectorQuantizer",),
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
    if "keras" in sys.modules:
        _give(sys.modules["keras"])
    else:
        sys.meta_path.insert(0, _WhenKerasIsImported())


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


class _WhenKerasIsImported(importlib.abc.MetaPathFinder):
    """Leaves every import as it is; after that of Keras, the first one, it is gone."""

    def find_spec(
        self, name: str, path: Any = None, target: Any = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                _give(module)

            spec.loader.exec_module = exec_module
        return spec
