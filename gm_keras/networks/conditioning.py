"""How a label enters a network."""

from keras import Input, KerasTensor, layers


def with_label(
    inputs: KerasTensor, hidden: KerasTensor, num_classes: int | None
) -> tuple[KerasTensor, list[KerasTensor] | KerasTensor]:
    """Puts a one-hot label beside flat features.

    Args:
        inputs: The symbolic input of the network.
        hidden: Features `(batch, width)`.
        num_classes: None leaves everything as it is.

    Returns:
        The features with the label beside them, and the inputs of the network: `inputs`, or
        `[inputs, label]` with an int32 label `(batch,)`.
    """
    if not num_classes:
        return hidden, inputs
    label, one_hot = label_input(num_classes)
    return layers.Concatenate()([hidden, one_hot]), [inputs, label]


def with_label_maps(
    inputs: KerasTensor, hidden: KerasTensor, num_classes: int | None
) -> tuple[KerasTensor, list[KerasTensor] | KerasTensor]:
    """Puts a one-hot label beside the channels of a map of features, the same at every place.

    Args:
        inputs: The symbolic input of the network.
        hidden: Features `(batch, height, width, channels)`.
        num_classes: None leaves everything as it is.

    Returns:
        Features `(batch, height, width, channels + num_classes)`, and the inputs of the network as `with_label`
        has them.
    """
    if not num_classes:
        return hidden, inputs
    label, one_hot = label_input(num_classes)
    height, width = hidden.shape[1:3]
    maps = layers.Reshape((height, width, num_classes))(
        layers.RepeatVector(height * width)(one_hot)
    )
    return layers.Concatenate()([hidden, maps]), [inputs, label]


def label_input(num_classes: int) -> tuple[KerasTensor, KerasTensor]:
    """A symbolic int32 label `(batch,)`, and the same one-hot: `(batch, num_classes)`."""
    label = Input((), dtype="int32", name="label")
    one_hot = layers.CategoryEncoding(num_classes, output_mode="one_hot")(
        layers.Reshape((1,))(label)
    )
    return label, one_hot
