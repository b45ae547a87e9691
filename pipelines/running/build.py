"""From settings to objects: prepared data, a model, its optimizers. Imports Keras."""

import contextlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras

from gm_keras import backend, registry
from gm_keras.core import GenerativeModel
from gm_keras.data import PreparedData
from pipelines.settings import Settings, SystemSettings, optimizer_settings
from pipelines.shared import entries
from pipelines.shared.errors import UserError, out_of_memory

#: Arguments that are the number of classes of the data: of those that a model is told, and that it tells apart.
CLASSES = ("num_classes", "classes")
#: What a constructor asks for that only some data sets have.
NEEDED = {
    "vocabulary": "text",
    "source_shape": "pairs (pairs: under data)",
    "image_shape": "images or vectors",
}


def prepared(name: str, settings: Settings, root: Path) -> PreparedData:
    """Opens a prepared data set; a `UserError` where it is not there or damaged."""
    if name not in settings.data:
        known = entries.unknown(name, list(settings.data), root)
        raise UserError(f'params.yaml has no data set "{name}" under data: {known}')
    try:
        return PreparedData(root / "data" / name)
    except (OSError, ValueError) as error:
        raise UserError(str(error)) from None


def build_model(
    key: str,
    system: SystemSettings,
    data: PreparedData,
    first_stage: GenerativeModel | None = None,
) -> GenerativeModel:
    """Builds the model of a system for a data set, in the precision that its block asks for.

    What the data set knows (shapes, levels, the vocabulary) comes from there where `model:` leaves it out.

    Args:
        key: Of the system in `params.yaml`.
        system: Its block.
        data: The data set.
        first_stage: The trained model that the system uses, for a system with `uses:`.

    Raises:
        UserError: If an argument is wrong, or the model does not fit the data set.
    """
    cls = registry.get(system.class_name)
    known = inspect.signature(cls.__init__).parameters
    where = f"params.yaml: systems.{key}.model"
    arguments = dict(system.model)
    if first_stage is not None:
        arguments["first_stage"] = first_stage
    _add_facts(arguments, data, known)
    shape = data.example_shape
    if "image_shape" in arguments and tuple(arguments["image_shape"]) != shape:
        raise UserError(
            f"{where}.image_shape is {tuple(arguments['image_shape'])}, but the examples of "
            f'"{system.data}" have shape {shape}: leave image_shape out, or choose other data'
        )
    for name in CLASSES:
        if arguments.get(name) and arguments[name] != data.num_classes:
            raise UserError(
                f"{where}.{name} is {arguments[name]}, but "
                f'"{system.data}" has {data.num_classes or "no"} classes'
            )
    for name, kind in NEEDED.items():
        required = name in known and known[name].default is inspect.Parameter.empty
        if required and name not in arguments:
            raise UserError(
                f"params.yaml: systems.{key}.data: {system.class_name} learns from {kind}, and "
                f'"{system.data}" has {", ".join(data.info["fields"])}: choose other data'
            )
    try:
        with precision(system.fit.precision):
            model = cls(**arguments)
    except (TypeError, ValueError, LookupError, ArithmeticError) as error:
        raise UserError(_of_argument(where, error, system.model, arguments, known)) from None
    except Exception as error:
        if not out_of_memory(error):
            raise
        raise UserError(f"{where}: a model of these sizes does not fit into memory") from None
    _check_fields(key, system, model, data)
    return model


def _check_fields(
    key: str, system: SystemSettings, model: GenerativeModel, data: PreparedData
) -> None:
    """Raises a `UserError` if a data set lacks what a model learns from, or has it in another shape."""
    wanted, fields = {**model.fields, **model.conditions}, data.info["fields"]
    if not wanted.keys() <= fields.keys():
        raise UserError(
            f"params.yaml: systems.{key}.data: {system.class_name} learns from "
            f'{", ".join(wanted)}, but "{system.data}" has {", ".join(data.info["fields"])}: '
            "choose other data"
        )
    for name, condition in model.conditions.items():
        shape = tuple(fields[name].get("shape", ()))
        if shape != condition.shape:
            raise UserError(
                f"params.yaml: systems.{key}.model: {system.class_name} is told a {name} of shape "
                f'{condition.shape}, but "{system.data}" has {shape}: choose other data'
            )


def _of_argument(
    where: str, error: Exception, given: dict[str, Any], arguments: dict[str, Any], known: Any
) -> str:
    """A constructor's error as one of the user's key, where it begins with the name of an argument."""
    text = _first_line(error)
    name = re.match(r"\w*", text)[0]
    if name in known and (name in given or name not in arguments):
        return f"{where}.{text}"
    if name in arguments and name not in given:
        return f"{where}: {text} ({name} comes from the data)"
    if isinstance(error, LookupError | ArithmeticError):
        text = f"{type(error).__name__}: {text}"
    return f"{where}: {text}"


def check_sampling(key: str, system: SystemSettings, model: GenerativeModel) -> None:
    """Raises a `UserError` for options under `sample:` that do not go with the model that was built."""
    try:
        model.check_sampling_options(system.sample)
    except (TypeError, ValueError) as error:
        text = _first_line(error)
        separator = "." if re.match(r"\w*", text)[0] in system.sample else ": "
        raise UserError(f"params.yaml: systems.{key}.sample{separator}{text}") from None


def _add_facts(arguments: dict[str, Any], data: PreparedData, known: Any) -> None:
    fields = data.info["fields"]
    facts = {
        "image_shape": None if data.primary == "tokens" else data.example_shape,
        "source_shape": tuple(fields["source"]["shape"]) if "source" in fields else None,
        "levels": data.levels,
        "cells": data.columns.cells if data.primary == "features" and data.columns else None,
        "vocabulary": data.info.get("vocabulary"),
        "caption_length": fields["caption"]["shape"][0] if "caption" in fields else None,
        "mask_classes": fields["mask"].get("levels") if "mask" in fields else None,
    }
    for name, value in facts.items():
        if name in known and value is not None:
            arguments.setdefault(name, value)


@contextlib.contextmanager
def precision(name: str) -> Iterator[None]:
    """Within this context layers are made to compute in `float32` or `bfloat16`; weights are float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16" if name == "bfloat16" else "float32")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build_optimizers(key: str, system: SystemSettings) -> dict[str, keras.optimizers.Optimizer]:
    """Builds the optimizers of a system, by the names that its phases use."""
    return {
        name: build_optimizer(
            f"params.yaml: systems.{key}.optimizers.{name}", block, system.fit.batch_size
        )
        for name, block in system.optimizers.items()
    }


def build_optimizer(
    where: str, block: dict[str, Any], batch_size: int
) -> keras.optimizers.Optimizer:
    """Builds one optimizer.

    Args:
        where: The block's place, for errors.
        block: `class`, and Keras' arguments for it: clipping (`clipnorm`, `global_clipnorm`, `clipvalue`),
            `gradient_accumulation_steps` and `use_ema` among them. `learning_rate` may be a mapping with
            `schedule`, the name of one of Keras' schedules, and its arguments; `ema_half_life` says in
            examples what `ema_momentum` says in steps.
        batch_size: Examples in a step.

    Raises:
        UserError: If a name or a value is wrong.
    """
    optimizer_settings.check_optimizer(where, block)
    block = dict(block)
    half_life = block.pop("ema_half_life", None)
    if half_life is not None:
        block |= {"use_ema": True, "ema_momentum": 0.5 ** (batch_size / half_life)}
    rate = block.get("learning_rate")
    if isinstance(rate, dict):
        block["learning_rate"] = _from_block(
            f"{where}.learning_rate",
            rate,
            "schedule",
            keras.optimizers.schedules,
            keras.optimizers.schedules.LearningRateSchedule,
        )
    return _from_block(where, block, "class", keras.optimizers, keras.optimizers.Optimizer)


def _from_block(where: str, block: dict[str, Any], kind: str, module: Any, base: type) -> Any:
    """Makes what a block names from a module of Keras: `learning_rate: {schedule: cosine_decay, ...}`."""
    known = {
        optimizer_settings.plain(name): member
        for name, member in vars(module).items()
        if inspect.isclass(member) and issubclass(member, base) and member is not base
    }
    arguments = dict(block)
    name = arguments.pop(kind)
    cls = known.get(optimizer_settings.plain(name))
    if cls is None:
        raise UserError(f"{where}.{kind}: Keras {keras.__version__} has no {name}")
    parameters = inspect.signature(cls.__init__).parameters
    for argument in arguments:
        if argument not in parameters:
            raise UserError(
                f"{where}.{argument}: {cls.__name__} of Keras {keras.__version__} does not take it"
            )
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {_first_line(error)}") from None


def compile_model(key: str, system: SystemSettings, model: GenerativeModel) -> None:
    """Compiles a model with the optimizers of its block."""
    at_once = system.fit.steps_per_execution or backend.steps_per_execution(model.count_params())
    try:
        model.compile(
            build_optimizers(key, system),
            fresh_batches=system.fit.fresh_batches,
            steps_per_execution=at_once,
        )
    except ValueError as error:
        raise UserError(f"params.yaml: systems.{key}.optimizers: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
