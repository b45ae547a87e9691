"""A trained model as two files that are the same bytes for the same weights.

A `.keras` archive carries a date; `config.json` and `model.weights.h5` do not.
"""

import json
from pathlib import Path

import keras

from gm_keras.core.model import GenerativeModel

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"


def save(model: GenerativeModel, folder: str | Path) -> None:
    """Writes the configuration and the weights, without optimizer state, into an existing folder."""
    folder = Path(folder)
    content = {
        "class": keras.saving.get_registered_name(type(model)),
        "config": model.get_config(),
    }
    bare = type(model).from_config(model.get_config())
    bare.set_weights(model.get_weights())
    bare.enter_stage(model.stage)
    # Those of a new model come from Python's generator, which shuffling has used more or less often.
    for new, trained in zip(bare._seed_states(), model._seed_states(), strict=True):
        new.assign(keras.ops.convert_to_numpy(trained))
    bare.save_weights(folder / WEIGHTS)
    text = json.dumps(content, indent=2, sort_keys=True) + "\n"
    (folder / CONFIG).write_text(text, encoding="utf-8")


def load(folder: str | Path) -> GenerativeModel:
    """Reads what `save` wrote.

    Raises:
        ValueError: One line that names the file which is missing, damaged or does not fit.
    """
    folder = Path(folder)
    for name in (CONFIG, WEIGHTS):
        if not (folder / name).is_file():
            raise ValueError(f"{folder / name} is missing")
    try:
        content = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        known = keras.saving.get_registered_object(content["class"])
        if not (isinstance(known, type) and issubclass(known, GenerativeModel)):
            raise ValueError(f'"{content["class"]}" is not a model class of gm_keras')
        model = known.from_config(content["config"])
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{folder / CONFIG} does not describe a model: {error}") from None
    try:
        model.load_weights(folder / WEIGHTS)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()[0]
        raise ValueError(f"{folder / WEIGHTS} is damaged or of another model: {reason}") from None
    return model
