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
from pipelines.errors import UserError, nearest
from pipelines.settings import Settings, SystemSettings

#: What a constructor asks for that only some data sets have.
NEEDED = {
    "vocabulary": "text",
    "source_shape": "pairs (pairs: under data)",
    "image_shape": "images or vectors",
}


def prepared(name: str, settings: Settings, root: Path) -> PreparedData:
    """Opens a prepared data set; a `UserError` where it is not there or damaged."""
    if name not in settings.data:
        known = nearest(name, list(settings.data))
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
    classes = data.num_classes
    if arguments.get("num_classes") and arguments["num_classes"] != classes:
        raise UserError(
            f"{where}.num_classes is {arguments['num_classes']}, but "
            f'"{system.data}" has {classes or "no"} classes'
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
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {_first_line(error)}") from None
    missing = [field for field in model.fields if field not in data.info["fields"]]
    if missing:
        raise UserError(
            f"params.yaml: systems.{key}.data: {system.class_name} learns from "
            f'{", ".join(model.fields)}, but "{system.data}" has {", ".join(data.info["fields"])}: '
            "choose other data"
        )
    return model


def _add_facts(arguments: dict[str, Any], data: PreparedData, known: Any) -> None:
    fields = data.info["fields"]
    facts = {
        "image_shape": None if data.primary == "tokens" else data.example_shape,
        "source_shape": tuple(fields["source"]["shape"]) if "source" in fields else None,
        "levels": data.levels,
        "vocabulary": data.info.get("vocabulary"),
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
    block = dict(block)
    half_life = block.pop("ema_half_life", None)
    if half_life is not None:
        _check_half_life(where, half_life, block)
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


def _check_half_life(where: str, half_life: Any, block: dict[str, Any]) -> None:
    if "ema_momentum" in block:
        raise UserError(f"{where}: give either ema_half_life (examples) or ema_momentum, not both")
    if isinstance(half_life, bool) or not isinstance(half_life, int | float) or half_life <= 0:
        raise UserError(
            f"{where}.ema_half_life must be a number of examples above 0, not {half_life!r}"
        )


def _from_block(where: str, block: dict[str, Any], kind: str, module: Any, base: type) -> Any:
    """Makes what a block names from a module of Keras: `learning_rate: {schedule: cosine_decay, ...}`."""
    known = {
        _plain(name): member
        for name, member in vars(module).items()
        if inspect.isclass(member) and issubclass(member, base) and member is not base
    }
    arguments = dict(block)
    name = str(arguments.pop(kind, ""))
    if _plain(name) not in known:
        names = [_snake(member.__name__) for member in known.values()]
        raise UserError(f'{where}.{kind} is "{name}": {nearest(_snake(name), names)}')
    cls = known[_plain(name)]
    parameters = [
        parameter
        for parameter in inspect.signature(cls.__init__).parameters
        if parameter not in ("self", "kwargs", "name")
    ]
    for argument in arguments:
        if argument not in parameters:
            raise UserError(f"{where}.{argument} is not known: {nearest(argument, parameters)}")
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: {_first_line(error)}") from None


def _plain(name: str) -> str:
    # `cosine_decay` and `CosineDecay` are one name.
    return name.replace("_", "").lower()


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower()


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
