"""Fully connected networks."""

from collections.abc import Sequence

from keras import Input, Model, layers

from gm_keras.layers.dense import Dense
from gm_keras.networks.conditioning import with_label


def dense(
    input_shape: Sequence[int],
    units: Sequence[int],
    output_units: int,
    *,
    activation: str = "relu",
    num_classes: int | None = None,
    name: str,
) -> Model:
    """Builds a fully connected network.

    Args:
        input_shape: The shape of one input; it is flattened.
        units: The widths of the hidden layers.
        output_units: The width of the output, which is linear.
        activation: Of the hidden layers.
        num_classes: With it, the network takes `[inputs, label]`, the label one-hot beside the inputs.
        name: Of the model.

    Returns:
        A built model from `(batch, *input_shape)` to `(batch, output_units)`.
    """
    inputs = Input(input_shape, name="inputs")
    hidden = layers.Flatten()(inputs) if len(input_shape) > 1 else inputs
    hidden, all_inputs = with_label(inputs, hidden, num_classes)
    for width in units:
        hidden = Dense(width, activation=activation)(hidden)
    return Model(all_inputs, Dense(output_units, name="outputs")(hidden), name=name)
