"""From settings to objects: prepared data, a model, its optimizers. Imports Keras."""

import inspect
from pathlib import Path
from typing import Any

import keras

from gm_keras import registry
from gm_keras.core import GenerativeModel
from gm_keras.data import PreparedData
from pipelines.errors import UserError, nearest
from pipelines.settings import Settings, SystemSettings


def prepared(name: str, settings: Settings, root: Path) -> PreparedData:
    """Opens a prepared data set; a `UserError` where it is not there or damaged."""
    if name not in settings.data:
        known = nearest(name, list(settings.data))
        raise UserError(f'params.yaml has no data set "{name}" under data: {known}')
    try:
        return PreparedData(root / "data" / name)
    except (OSError, ValueError) as error:
        raise UserError(str(error)) from None


def build_model(key: str, system: SystemSettings, data: PreparedData) -> GenerativeModel:
    """Builds the model of a system for a data set.

    The shape of an example and its number of levels come from the data set where `model:` leaves them out.

    Raises:
        UserError: If an argument is wrong, or the model does not fit the data set.
    """
    cls = registry.get(system.class_name)
    known = inspect.signature(cls.__init__).parameters
    shape = tuple(data.info["fields"][data.info["primary"]]["shape"])
    arguments = dict(system.model)
    arguments.setdefault("image_shape", shape)
    if "levels" in known and data.info["levels"]:
        arguments.setdefault("levels", data.info["levels"])
    where = f"params.yaml: systems.{key}.model"
    if tuple(arguments["image_shape"]) != shape:
        raise UserError(
            f"{where}.image_shape is {tuple(arguments['image_shape'])}, but the examples of "
            f'"{system.data}" have shape {shape}: leave image_shape out, or choose other data'
        )
    classes = data.info["num_classes"]
    if arguments.get("num_classes") and arguments["num_classes"] != classes:
        raise UserError(
            f"{where}.num_classes is {arguments['num_classes']}, but "
            f'"{system.data}" has {classes or "no"} classes'
        )
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {_first_line(error)}") from None


def build_optimizers(key: str, system: SystemSettings) -> dict[str, keras.optimizers.Optimizer]:
    """Builds the optimizers of a system, by the names that its phases use."""
    return {
        name: _optimizer(f"params.yaml: systems.{key}.optimizers.{name}", dict(block))
        for name, block in system.optimizers.items()
    }


def _optimizer(where: str, block: dict[str, Any]) -> keras.optimizers.Optimizer:
    known = {
        name.lower(): member
        for name, member in vars(keras.optimizers).items()
        if inspect.isclass(member) and issubclass(member, keras.optimizers.Optimizer)
    }
    name = str(block.pop("class", ""))
    if name.lower() not in known:
        raise UserError(f'{where}.class is "{name}": {nearest(name.lower(), list(known))}')
    cls = known[name.lower()]
    arguments = [
        parameter
        for parameter in inspect.signature(cls.__init__).parameters
        if parameter not in ("self", "kwargs", "name")
    ]
    for argument in block:
        if argument not in arguments:
            raise UserError(f"{where}.{argument} is not known: {nearest(argument, arguments)}")
    try:
        return cls(**block)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {_first_line(error)}") from None


def compile_model(key: str, system: SystemSettings, model: GenerativeModel) -> None:
    """Compiles a model with the optimizers of its block."""
    try:
        model.compile(build_optimizers(key, system), fresh_batches=system.fit.fresh_batches)
    except ValueError as error:
        raise UserError(f"params.yaml: systems.{key}.optimizers: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
