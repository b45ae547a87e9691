"""A trained model as two files that are the same bytes for the same weights.

A `.keras` archive carries a date; `config.json` and `model.weights.h5` do not. `config.json` holds the
checksums of both, so that no damage goes unnoticed: a file of weights with other numbers in it is still a
file of weights.
"""

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gm_keras import reading, saved_names
from gm_keras.core.model import GenerativeModel
from gm_keras.telling import LONGEST, one_line
from gm_keras.weights_file import save_weights

CONFIG = "config.json"
WEIGHTS = "model.weights.h5"


def save(model: GenerativeModel, folder: str | Path) -> None:
    """Writes the configuration and the weights, without optimizer state, into an existing folder.

    Raises:
        OSError: There is no room for them, or the folder cannot be written.
    """
    folder = Path(folder)
    described = {
        "class": keras.saving.get_registered_name(type(model)),
        "config": model.get_config(),
    }
    bare = type(model).from_config(model.get_config())
    bare.set_weights(model.get_weights())
    bare.enter_stage(model.stage)
    # Those of a new model come from Python's generator, which shuffling has used more or less often.
    for new, trained in zip(bare._seed_states(), model._seed_states(), strict=True):
        new.assign(keras.ops.convert_to_numpy(trained))
    save_weights(bare, folder / WEIGHTS)
    # As it will be read: JSON has no tuples, and only texts for keys.
    described = json.loads(json.dumps(described))
    checksums = {CONFIG: _checksum_of(described), WEIGHTS: _checksum(folder / WEIGHTS)}
    text = json.dumps({**described, "sha256": checksums}, indent=2, sort_keys=True) + "\n"
    (folder / CONFIG).write_text(text, encoding="utf-8")


def load(folder: str | Path) -> GenerativeModel:
    """Reads what `save` wrote; also without checksums, as they were not always written.

    Raises:
        ValueError: One line that names the file which is missing, damaged or does not fit.
    """
    folder = Path(folder)
    config, weights = folder / CONFIG, folder / WEIGHTS
    try:
        reading.check_file(weights)
        described = reading.read_json(config)
    except OSError as error:
        raise ValueError(str(error)) from None
    checked = "sha256" in described
    checksums = described.pop("sha256", None)
    _check_description(config, described)
    if checked:
        _check_sums(config, weights, described, checksums)
    model = _built(config, described)
    try:
        with warnings.catch_warnings():
            # Keras leaves layers as they are whose group the file lacks.
            warnings.filterwarnings("error", "Skipping nested container")
            model.load_weights(weights)
    except Exception as error:  # h5py raises anything for a damaged file
        raise ValueError(f"{weights} is damaged or of another model: {one_line(error)}") from None
    _check_numbers(weights, model)
    return model


def _check_description(path: Path, described: dict[str, Any]) -> None:
    known = {"class": str, "config": dict}
    if described.keys() != known.keys():
        found = reading.shown(", ".join(described))[:LONGEST]
        raise ValueError(
            f'{path} does not describe a model: expected the keys "class" and "config", not "{found}"'
        )
    for key, kind in known.items():
        if not isinstance(described[key], kind):
            raise ValueError(
                f'{path} does not describe a model: "{key}" must be '
                f"{'a name' if kind is str else 'an object'}, not a {type(described[key]).__name__}"
            )


def _check_sums(config: Path, weights: Path, described: dict[str, Any], checksums: Any) -> None:
    found = {CONFIG: _checksum_of(described), WEIGHTS: _checksum(weights)}
    if not isinstance(checksums, dict) or checksums.keys() != found.keys():
        raise ValueError(f"{config} is damaged: it does not hold the checksums of both files")
    if checksums[CONFIG] != found[CONFIG]:
        raise ValueError(
            f"{config} is damaged or was changed by hand: it does not have the checksum that it names"
        )
    if checksums[WEIGHTS] != found[WEIGHTS]:
        raise ValueError(
            f"{weights} is damaged or of another model: it does not have the checksum in {CONFIG}"
        )


def _built(path: Path, described: dict[str, Any]) -> GenerativeModel:
    name = described["class"]
    saved_names.import_class(name)
    known = keras.saving.get_registered_object(name)
    if not (isinstance(known, type) and issubclass(known, GenerativeModel)):
        raise ValueError(
            f"{path} does not describe a model: {reading.shown(name)[:LONGEST]!r} is not a model class "
            "of gm_keras"
        )
    try:
        return known.from_config(described["config"])
    except (
        Exception
    ) as error:  # a constructor raises anything for arguments that it does not expect
        raise ValueError(f"{path} does not describe a model: {one_line(error)}") from None


def _check_numbers(path: Path, model: GenerativeModel) -> None:
    for variable in model.weights:
        if keras.backend.is_float_dtype(variable.dtype):
            values = keras.ops.convert_to_numpy(variable)
            if not np.isfinite(values).all():
                raise ValueError(
                    f"{path} holds weights that are no finite numbers (in {variable.path}): "
                    "the training went wrong"
                )


def _checksum_of(described: dict[str, Any]) -> str:
    try:
        text = json.dumps(described, sort_keys=True)
    except RecursionError:
        raise ValueError(f"{CONFIG} is damaged: it is nested too deep") from None
    return hashlib.sha256(text.encode()).hexdigest()


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
