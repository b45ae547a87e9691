"""The network of Gated PixelCNN (van den Oord et al. 2016, arXiv 1606.05328, figure 2)."""

from collections.abc import Sequence

from keras import Input, KerasTensor, Model, layers

from gm_keras.layers.dense import Dense
from gm_keras.layers.everywhere import AddEverywhere
from gm_keras.layers.initializers import HostGlorotUniform
from gm_keras.layers.masked_convolution import Gate, MaskedConvolution


def gated_pixelcnn(
    shape: Sequence[int],
    levels: int,
    *,
    filters: int,
    depth: int,
    kernel_size: int = 3,
    first_kernel_size: int = 7,
    hidden: int,
    dropout: float = 0.0,
    inputs: str = "values",
    num_classes: int | None = None,
    name: str,
) -> Model:
    """Builds a network that predicts each value of a grid from those before it in raster order.

    For images, and as well for any grid of integer codes, such as those of a VQ-VAE: `inputs="codes"` with the
    shape (height, width, 1). `gm_keras.decoding.images.sample_codes` draws from it, with caches, and finds
    its layers by their names, which are part of this function's promise:

    * `embedding`: with `inputs="codes"`, from codes to vectors;
    * `vertical_i`, `vertical_condition_i`, `vertical_gate_i` for each layer i (no gate in the last, which
      nothing would follow), `link_i` from the vertical stack to the horizontal one, `horizontal_i`,
      `horizontal_condition_i`, `horizontal_gate_i`, and `residual_i`, the 1 x 1 convolution before the sum;
    * `hidden` and `logits`: the 1 x 1 convolutions of the head.

    Args:
        shape: (height, width, channels); channels are ordered within a pixel, the first one first.
        levels: How many values each channel of each pixel can take.
        filters: Features of each layer, p in the paper; a multiple of the channels.
        depth: Number of gated layers. A pixel sees all before it where `first_kernel_size // 2 + (depth - 1) *
            (kernel_size // 2)` reaches across the grid.
        kernel_size: Of all layers but the first; odd.
        first_kernel_size: Of the first layer; odd, at least 3.
        hidden: Features between the two 1 x 1 convolutions of the head; a multiple of the channels.
        dropout: Fraction of the gated features dropped in training.
        inputs: "values" (floats, best in [-1, 1]), or "codes" (int32 from 0 to levels - 1, embedded first).
        num_classes: With it the network takes `[inputs, label]`, label int32 `(batch,)`.
        name: Of the model.

    Returns:
        A built model from `(batch, height, width, channels)` to logits `(batch, height, width, channels, levels)`.

    Raises:
        ValueError: If an argument is out of range.
    """
    if inputs not in ("values", "codes"):
        raise ValueError(f'inputs must be "values" or "codes", not {inputs!r}')
    channels = shape[-1]
    for argument, features in (("filters", filters), ("hidden", hidden)):
        if features % channels:
            raise ValueError(
                f"{argument} must be a multiple of the {channels} channels, not {features}"
            )

    def convolution(width, size, stack, layer_name, **options):
        return MaskedConvolution(
            width,
            size,
            stack,
            channels=channels,
            kernel_initializer=HostGlorotUniform(),
            name=layer_name,
            **options,
        )

    grid = Input(shape, dtype="int32" if inputs == "codes" else "float32", name=inputs)
    features = _embedded(grid, levels, filters) if inputs == "codes" else grid
    label = Input((), dtype="int32", name="label") if num_classes else None
    one_hot = _one_hot(label, num_classes) if num_classes else None

    vertical = horizontal = features
    for index in range(depth):
        first, last = index == 0, index == depth - 1
        size = first_kernel_size if first else kernel_size
        above = convolution(2 * filters, size, "vertical", f"vertical_{index}", strict=first)
        # Before its gate: the row above this pixel, for the horizontal stack to see.
        vertical = above(vertical)
        link = convolution(2 * filters, 1, "vertical", f"link_{index}", use_bias=False)(vertical)
        beside = convolution(
            2 * filters, size, "horizontal", f"horizontal_{index}", strict=first, parts=2
        )
        update = layers.Add()([beside(horizontal), link])
        update = _conditioned(update, one_hot, f"horizontal_condition_{index}")
        update = Gate(name=f"horizontal_gate_{index}")(update)
        if dropout:
            # Keras on PyTorch draws from the global generator where no seed is given.
            update = layers.Dropout(dropout, seed=2 * index + 1)(update)
        update = convolution(filters, 1, "horizontal", f"residual_{index}")(update)
        # The first layer reads pixels, which a sum would show to the features of the same place.
        horizontal = update if first else layers.Add()([horizontal, update])
        if not last:
            vertical = _conditioned(vertical, one_hot, f"vertical_condition_{index}")
            vertical = Gate(name=f"vertical_gate_{index}")(vertical)
            if dropout:
                vertical = layers.Dropout(dropout, seed=2 * index + 2)(vertical)

    outputs = layers.Activation("relu")(horizontal)
    outputs = convolution(hidden, 1, "horizontal", "hidden")(outputs)
    outputs = layers.Activation("relu")(outputs)
    outputs = convolution(channels * levels, 1, "horizontal", "logits")(outputs)
    outputs = layers.Reshape((*shape, levels), name="outputs")(outputs)
    return Model([grid, label] if num_classes else grid, outputs, name=name)


def _embedded(codes: KerasTensor, levels: int, width: int) -> KerasTensor:
    """Vectors of the codes, those of a pixel's channels one after the other."""
    table = layers.Embedding(
        levels, width, embeddings_initializer=HostGlorotUniform(), name="embedding"
    )
    height, columns, channels = codes.shape[1:]
    return layers.Reshape((height, columns, channels * width))(table(codes))


def _one_hot(label: KerasTensor, num_classes: int) -> KerasTensor:
    encode = layers.CategoryEncoding(num_classes, output_mode="one_hot")
    return encode(layers.Reshape((1,))(label))


def _conditioned(hidden: KerasTensor, one_hot: KerasTensor | None, name: str) -> KerasTensor:
    """Adds a vector of the class, everywhere the same."""
    if one_hot is None:
        return hidden
    table = Dense(
        hidden.shape[-1], use_bias=False, kernel_initializer=HostGlorotUniform(), name=name
    )
    return AddEverywhere()([hidden, table(one_hot)])
