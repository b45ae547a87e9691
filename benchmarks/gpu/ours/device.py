"""What our contenders say of the device and of their weights."""

from typing import Any

import jax
import keras


def facts() -> dict[str, Any]:
    """The card, the most bytes that were in use on it (None on a CPU), and the versions."""
    card = jax.devices()[0]
    memory = card.memory_stats() or {}
    return {
        "card": card.device_kind,
        "device_memory": memory.get("peak_bytes_in_use"),
        "versions": {"jax": jax.__version__, "keras": keras.__version__},
    }


def parameters(model: keras.Model) -> int:
    """The number of trained parameters."""
    return sum(int(keras.ops.size(variable)) for variable in model.trainable_variables)
