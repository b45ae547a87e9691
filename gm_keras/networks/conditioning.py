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
    label = Input((), dtype="int32", name="label")
    one_hot = layers.CategoryEncoding(num_classes, output_mode="one_hot")(
        layers.Reshape((1,))(label)
    )
    return layers.Concatenate()([hidden, one_hot]), [inputs, label]
