"""The dense networks of the conditional GAN (Mirza & Osindero 2014): a layer for each input, and a joint one."""

import math
from collections.abc import Sequence

from keras import Input, KerasTensor, Model, layers

from gm_keras.layers.dense import Dense
from gm_keras.layers.maxout import Maxout
from gm_keras.networks.conditioning import label_input

#: Linear pieces of the discriminator's units, as in the paper: on the example, on the label, and of the joint ones.
PIECES = (5, 5, 4)


def joint_generator(
    latent_dim: int,
    data_shape: Sequence[int],
    units: Sequence[int],
    *,
    num_classes: int | None,
    dropout: float,
    name: str,
) -> Model:
    """Builds a generator of ReLU units.

    Args:
        latent_dim: Width of the latents.
        data_shape: Of one example: an image, which gets a tanh, or a vector.
        units: Widths of the layers on the latents, on the label, and on both.
        num_classes: With it, the network takes `[latents, label]`; without, the layer on the label is left out.
        dropout: Rate after each hidden layer.
        name: Of the model.

    Returns:
        A built model from `(batch, latent_dim)` to `(batch, *data_shape)`.
    """
    inputs = Input((latent_dim,), name="inputs")
    hidden_layers = [Dense(width, activation="relu") for width in units]
    hidden, all_inputs = _joint(inputs, inputs, hidden_layers, num_classes, dropout)
    activation = "tanh" if len(data_shape) == 3 else None
    outputs = Dense(math.prod(data_shape), activation=activation)(hidden)
    return Model(all_inputs, layers.Reshape(data_shape, name="outputs")(outputs), name=name)


def joint_discriminator(
    data_shape: Sequence[int],
    units: Sequence[int],
    *,
    num_classes: int | None,
    dropout: float,
    name: str,
) -> Model:
    """Builds a discriminator of maxout units.

    Args:
        data_shape: Of one example.
        units: Widths of the layers on the example, on the label, and on both.
        num_classes: With it, the network takes `[example, label]`; without, the layer on the label is left out.
        dropout: Rate after each hidden layer.
        name: Of the model.

    Returns:
        A built model from `(batch, *data_shape)` to logits `(batch, 1)`.
    """
    inputs = Input(data_shape, name="inputs")
    hidden_layers = [Maxout(*each) for each in zip(units, PIECES, strict=True)]
    flat = layers.Flatten()(inputs)
    hidden, all_inputs = _joint(inputs, flat, hidden_layers, num_classes, dropout)
    return Model(all_inputs, Dense(1, name="outputs")(hidden), name=name)


def _joint(
    inputs: KerasTensor,
    flat: KerasTensor,
    hidden_layers: Sequence[layers.Layer],
    num_classes: int | None,
    dropout: float,
) -> tuple[KerasTensor, list[KerasTensor] | KerasTensor]:
    """The outputs of the joint hidden layer, and the inputs of the network."""
    of_input, of_label, of_both = hidden_layers

    def dropped(values: KerasTensor) -> KerasTensor:
        # The same units in every precision.
        return layers.Dropout(dropout, dtype="float32")(values)

    hidden, all_inputs = dropped(of_input(flat)), inputs
    if num_classes:
        label, one_hot = label_input(num_classes)
        told = dropped(of_label(one_hot))
        hidden, all_inputs = layers.Concatenate()([hidden, told]), [inputs, label]
    return dropped(of_both(hidden)), all_inputs
