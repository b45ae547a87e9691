"""A small classifier whose last hidden layer gives the features in which samples are compared."""

import math

import keras
from keras import layers

FEATURES = 32


def build_classifier(image_shape: tuple[int, ...], num_classes: int) -> keras.Model:
    """Builds a convolutional classifier.

    Args:
        image_shape: (height, width, channels), values in [-1, 1].
        num_classes: How many classes.

    Returns:
        A model with two outputs: `logits` `(batch, num_classes)` and `features` `(batch, 32)`.
    """
    inputs = keras.Input(image_shape, name="image")
    hidden = inputs
    for index in range(max(1, round(math.log2(min(image_shape[:2]) / 4)))):
        width = 32 * 2**index
        hidden = layers.Conv2D(width, 3, padding="same", activation="relu")(hidden)
        hidden = layers.Conv2D(width, 3, padding="same", activation="relu")(hidden)
        hidden = layers.MaxPooling2D()(hidden)
    hidden = layers.Dropout(0.25)(layers.Flatten()(hidden))
    features = layers.Dense(FEATURES, activation="relu", name="features")(hidden)
    logits = layers.Dense(num_classes, name="logits")(features)
    return keras.Model(inputs, {"logits": logits, "features": features}, name="classifier")
