"""The Inception network of the scores, its weights, and the resize that it was trained with."""

from typing import Any

import keras
import numpy as np
from keras import layers, ops

from gm_keras.metrics.inception.checkpoint import CheckpointError

SIZE = 299
FEATURES = 2048
CLASSES = 1008
EPSILON = 1e-3


def build_network() -> keras.Model:
    """Builds the network of "inception-2015-12-05", with weights still to be set by `set_weights`.

    It is Inception v3 (Szegedy et al. 2015, arXiv 1512.00567) as it was released in that year, and as Heusel
    et al. (2017, arXiv 1706.08500) use it: average pools leave out the padding, the last block pools with the
    maximum, where the paper and `keras.applications` take the average, and there are 1,008 classes. Batch
    normalization, which is fixed here, is part of the convolution before it.

    Returns:
        A model from images `(n, 299, 299, 3)` in [-1, 1] to `pooled` `(n, 2048)` and `logits` `(n, 1008)`,
        these without bias, as the Inception score takes them. Its layers have the names of the checkpoint,
        with `_` for the dots.
    """
    inputs = keras.Input((SIZE, SIZE, 3), dtype="float32", name="image")
    hidden = _convolution(inputs, "Conv2d_1a_3x3", 32, 3, strides=2, padding="valid")
    hidden = _convolution(hidden, "Conv2d_2a_3x3", 32, 3, padding="valid")
    hidden = _convolution(hidden, "Conv2d_2b_3x3", 64, 3)
    hidden = layers.MaxPooling2D(3, 2, dtype="float32")(hidden)
    hidden = _convolution(hidden, "Conv2d_3b_1x1", 80, 1)
    hidden = _convolution(hidden, "Conv2d_4a_3x3", 192, 3, padding="valid")
    hidden = layers.MaxPooling2D(3, 2, dtype="float32")(hidden)
    for name, width in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
        hidden = _block_35(hidden, name, width)
    hidden = _reduction_to_17(hidden, "Mixed_6a")
    for name, width in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
        hidden = _block_17(hidden, name, width)
    hidden = _reduction_to_8(hidden, "Mixed_7a")
    hidden = _block_8(hidden, "Mixed_7b", layers.AveragePooling2D)
    hidden = _block_8(hidden, "Mixed_7c", layers.MaxPooling2D)
    pooled = layers.GlobalAveragePooling2D(dtype="float32", name="pooled")(hidden)
    logits = layers.Dense(
        CLASSES, use_bias=False, kernel_initializer="zeros", dtype="float32", name="fc"
    )(pooled)
    return keras.Model(inputs, {"pooled": pooled, "logits": logits}, name="inception")


def set_weights(network: keras.Model, tensors: dict[str, np.ndarray]) -> None:
    """Puts the weights of a checkpoint into a network of `build_network`.

    Args:
        network: The network.
        tensors: Of the checkpoint by name: `Mixed_5b.branch1x1.conv.weight`, `Mixed_5b.branch1x1.bn.bias`, ...,
            `fc.weight`. `fc.bias` and the counters of batch normalization have no use here.

    Raises:
        CheckpointError: If a tensor is missing, is one too many, or has another shape.
    """
    left = {
        name: tensor
        for name, tensor in tensors.items()
        if name != "fc.bias" and not name.endswith(".bn.num_batches_tracked")
    }
    for layer in network.layers:
        if isinstance(layer, layers.Conv2D):
            name = layer.name.replace("_branch", ".branch")
            layer.set_weights(_folded(left, name, layer.kernel.shape))
        elif isinstance(layer, layers.Dense):
            layer.set_weights([_take(left, f"{layer.name}.weight", (CLASSES, FEATURES)).T])
    if left:
        raise CheckpointError(f"the network has no place for its tensor {min(left)}")


def resize(images: Any, size: int = SIZE) -> Any:
    """Resizes images as the network's training did: TensorFlow 1's bilinear resize.

    Corners are not aligned, pixels are points at their upper left corners, and nothing is smoothed when an
    image shrinks; other libraries differ in all three (Parmar et al. 2022, arXiv 2104.11222).

    Args:
        images: `(n, height, width, channels)`.
        size: Of the result.

    Returns:
        `(n, size, size, channels)`.
    """
    for axis in (2, 1):
        length = images.shape[axis]
        position = np.arange(size, dtype="float32") * (np.float32(length) / np.float32(size))
        lower = position.astype("int32")
        upper = np.minimum(lower + 1, length - 1)
        share = (position - lower).reshape([-1 if each == axis else 1 for each in range(4)])
        first, second = ops.take(images, lower, axis), ops.take(images, upper, axis)
        images = first + (second - first) * share
    return images


def _take(tensors: dict[str, np.ndarray], name: str, shape: tuple[int, ...]) -> np.ndarray:
    if name not in tensors:
        raise CheckpointError(f"it lacks the tensor {name}")
    tensor = tensors.pop(name)
    if tensor.shape != shape:
        raise CheckpointError(f"its tensor {name} is {tensor.shape}, where the network has {shape}")
    if not np.isfinite(tensor).all():
        raise CheckpointError(f"its tensor {name} has values that are not finite")
    return tensor.astype("float64")


def _folded(
    tensors: dict[str, np.ndarray], name: str, shape: tuple[int, int, int, int]
) -> list[np.ndarray]:
    """The kernel and the bias of a convolution that does its batch normalization's work too."""
    height, width, inputs, outputs = shape
    kernel = _take(tensors, f"{name}.conv.weight", (outputs, inputs, height, width))
    gain, shift, mean, variance = (
        _take(tensors, f"{name}.bn.{part}", (outputs,))
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    factor = gain / np.sqrt(variance + EPSILON)
    return [kernel.transpose(2, 3, 1, 0) * factor, shift - mean * factor]


def _convolution(
    inputs: Any,
    name: str,
    filters: int,
    kernel: int | tuple[int, int],
    strides: int = 1,
    padding: str = "same",
) -> Any:
    layer = layers.Conv2D(
        filters,
        kernel,
        strides,
        padding,
        activation="relu",
        # JAX would compile a random initializer for each shape, for half a minute.
        kernel_initializer="zeros",
        dtype="float32",
        name=name,
    )
    return layer(inputs)


def _chain(inputs: Any, name: str, *steps: tuple[str, int, int | tuple[int, int]]) -> Any:
    """Convolutions one after another: the rest of the name, filters and kernel of each."""
    for rest, filters, kernel in steps:
        inputs = _convolution(inputs, f"{name}_branch{rest}", filters, kernel)
    return inputs


def _halve(inputs: Any, name: str, filters: int) -> Any:
    return _convolution(inputs, name, filters, 3, strides=2, padding="valid")


def _pool(inputs: Any, name: str, filters: int, kind: type = layers.AveragePooling2D) -> Any:
    pooled = kind(3, 1, padding="same", dtype="float32")(inputs)
    return _convolution(pooled, f"{name}_branch_pool", filters, 1)


def _join(*branches: Any) -> Any:
    return layers.Concatenate(dtype="float32")(branches)


def _block_35(inputs: Any, name: str, pool_width: int) -> Any:
    return _join(
        _chain(inputs, name, ("1x1", 64, 1)),
        _chain(inputs, name, ("5x5_1", 48, 1), ("5x5_2", 64, 5)),
        _chain(inputs, name, ("3x3dbl_1", 64, 1), ("3x3dbl_2", 96, 3), ("3x3dbl_3", 96, 3)),
        _pool(inputs, name, pool_width),
    )


def _reduction_to_17(inputs: Any, name: str) -> Any:
    double = _chain(inputs, name, ("3x3dbl_1", 64, 1), ("3x3dbl_2", 96, 3))
    return _join(
        _halve(inputs, f"{name}_branch3x3", 384),
        _halve(double, f"{name}_branch3x3dbl_3", 96),
        layers.MaxPooling2D(3, 2, dtype="float32")(inputs),
    )


def _block_17(inputs: Any, name: str, width: int) -> Any:
    row, column = (1, 7), (7, 1)
    single = (("7x7_1", width, 1), ("7x7_2", width, row), ("7x7_3", 192, column))
    double = (
        ("7x7dbl_1", width, 1),
        ("7x7dbl_2", width, column),
        ("7x7dbl_3", width, row),
        ("7x7dbl_4", width, column),
        ("7x7dbl_5", 192, row),
    )
    return _join(
        _chain(inputs, name, ("1x1", 192, 1)),
        _chain(inputs, name, *single),
        _chain(inputs, name, *double),
        _pool(inputs, name, 192),
    )


def _reduction_to_8(inputs: Any, name: str) -> Any:
    small = _chain(inputs, name, ("3x3_1", 192, 1))
    large = _chain(
        inputs, name, ("7x7x3_1", 192, 1), ("7x7x3_2", 192, (1, 7)), ("7x7x3_3", 192, (7, 1))
    )
    return _join(
        _halve(small, f"{name}_branch3x3_2", 320),
        _halve(large, f"{name}_branch7x7x3_4", 192),
        layers.MaxPooling2D(3, 2, dtype="float32")(inputs),
    )


def _block_8(inputs: Any, name: str, pool: type) -> Any:
    row, column = (1, 3), (3, 1)
    single = _chain(inputs, name, ("3x3_1", 384, 1))
    double = _chain(inputs, name, ("3x3dbl_1", 448, 1), ("3x3dbl_2", 384, 3))
    return _join(
        _chain(inputs, name, ("1x1", 320, 1)),
        _chain(single, name, ("3x3_2a", 384, row)),
        _chain(single, name, ("3x3_2b", 384, column)),
        _chain(double, name, ("3x3dbl_3a", 384, row)),
        _chain(double, name, ("3x3dbl_3b", 384, column)),
        _pool(inputs, name, 192, pool),
    )
