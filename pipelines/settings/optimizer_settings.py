"""What the arguments of Keras' optimizers and learning rate schedules must be, told without Keras.

Keras takes nearly any value: a negative learning rate climbs, `use_ema: "no"` is true, a clipping norm
below zero does nothing. An argument of one name means the same in every optimizer, so the table is by name.
"""

from functools import cache
from itertools import pairwise
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from pipelines.shared.errors import UserError, nearest
from pipelines.shared.wording import problem, shown

# A schedule may begin or end at zero.
Rate = Annotated[float, Field(ge=0.0, le=1000.0)]
Positive = Annotated[float, Field(gt=0.0, le=1e9)]
AtLeastZero = Annotated[float, Field(ge=0.0, le=1e9)]
Momentum = Annotated[float, Field(ge=0.0, lt=1.0)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Number = Annotated[float, Field(ge=-1e9, le=1e9)]
Steps = Annotated[int, Field(ge=1, le=10**12)]

ARGUMENTS: dict[str, Any] = {
    "learning_rate": Annotated[float, Field(gt=0.0, le=1000.0)],
    "weight_decay": Annotated[float, Field(ge=0.0, le=1000.0)] | None,
    "clipnorm": Positive | None,
    "clipvalue": Positive | None,
    "global_clipnorm": Positive | None,
    "use_ema": bool,
    "ema_momentum": Momentum,
    "ema_overwrite_frequency": Steps | None,
    "ema_half_life": Annotated[float, Field(gt=0.0, le=1e12)],
    "loss_scale_factor": Positive | None,
    "gradient_accumulation_steps": Annotated[int, Field(ge=2, le=10**6)] | None,
    "beta_1": Momentum,
    "beta_2": Momentum,
    "adam_beta_1": Momentum,
    "adam_beta_2": Momentum,
    "rho": Momentum,
    "momentum": Momentum,
    "epsilon": Annotated[float, Field(gt=0.0, le=10.0)],
    "epsilon_1": Annotated[float, Field(gt=0.0, le=10.0)],
    "epsilon_2": Annotated[float, Field(gt=0.0, le=10.0)],
    "amsgrad": bool,
    "nesterov": bool,
    "centered": bool,
    "relative_step": bool,
    "exclude_embeddings": bool,
    "exclude_layers": list[str] | None,
    "beta": AtLeastZero,
    "beta_2_decay": Annotated[float, Field(ge=-10.0, lt=0.0)],
    "clip_threshold": Positive,
    "initial_accumulator_value": AtLeastZero,
    "learning_rate_power": Annotated[float, Field(ge=-10.0, le=0.0)],
    "l1_regularization_strength": AtLeastZero,
    "l2_regularization_strength": AtLeastZero,
    "l2_shrinkage_regularization_strength": AtLeastZero,
    "adam_weight_decay": Annotated[float, Field(ge=0.0, le=1000.0)],
    "adam_lr_ratio": Positive,
    "muon_a": Number,
    "muon_b": Number,
    "muon_c": Number,
    "ns_steps": Annotated[int, Field(ge=1, le=100)],
    "rms_rate": Positive | None,
    "warmup_steps": Annotated[int, Field(ge=0, le=10**12)],
    "initial_learning_rate": Rate,
    "end_learning_rate": Rate,
    "warmup_target": Annotated[float, Field(gt=0.0, le=1000.0)] | None,
    "decay_steps": Steps,
    "first_decay_steps": Steps,
    "decay_rate": Annotated[float, Field(gt=0.0, le=1000.0)],
    "staircase": bool,
    "cycle": bool,
    "alpha": Share,
    "t_mul": Annotated[float, Field(ge=1.0, le=1000.0)],
    "m_mul": Annotated[float, Field(gt=0.0, le=1000.0)],
    "power": Annotated[float, Field(gt=0.0, le=1000.0)],
    "boundaries": Annotated[list[Steps], Field(min_length=1)],
    "values": Annotated[list[Rate], Field(min_length=2)],
}

COMMON = (
    "learning_rate",
    "weight_decay",
    "clipnorm",
    "clipvalue",
    "global_clipnorm",
    "use_ema",
    "ema_momentum",
    "ema_overwrite_frequency",
    "ema_half_life",
    "loss_scale_factor",
    "gradient_accumulation_steps",
)
BETAS = ("beta_1", "beta_2", "epsilon")

#: What each optimizer takes besides `COMMON`. Those that wrap others have no place in a file.
OPTIMIZERS: dict[str, tuple[str, ...]] = {
    "adadelta": ("rho", "epsilon"),
    "adafactor": ("beta_2_decay", "epsilon_1", "epsilon_2", "clip_threshold", "relative_step"),
    "adagrad": ("initial_accumulator_value", "epsilon"),
    "adam": (*BETAS, "amsgrad"),
    "adamw": (*BETAS, "amsgrad"),
    "adamax": BETAS,
    "ftrl": (
        "learning_rate_power",
        "initial_accumulator_value",
        "l1_regularization_strength",
        "l2_regularization_strength",
        "l2_shrinkage_regularization_strength",
        "beta",
    ),
    "lamb": BETAS,
    "lion": ("beta_1", "beta_2"),
    "muon": (
        "adam_beta_1",
        "adam_beta_2",
        "adam_weight_decay",
        "epsilon",
        "exclude_layers",
        "exclude_embeddings",
        "muon_a",
        "muon_b",
        "muon_c",
        "adam_lr_ratio",
        "momentum",
        "ns_steps",
        "nesterov",
        "rms_rate",
    ),
    "nadam": BETAS,
    "rmsprop": ("rho", "momentum", "epsilon", "centered"),
    "sgd": ("momentum", "nesterov"),
    "schedule_free_adamw": (*BETAS, "warmup_steps"),
}
#: What each schedule takes: first what it cannot do without.
SCHEDULES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "cosine_decay": (
        ("initial_learning_rate", "decay_steps"),
        ("alpha", "warmup_target", "warmup_steps"),
    ),
    "cosine_decay_restarts": (
        ("initial_learning_rate", "first_decay_steps"),
        ("t_mul", "m_mul", "alpha"),
    ),
    "exponential_decay": (("initial_learning_rate", "decay_steps", "decay_rate"), ("staircase",)),
    "inverse_time_decay": (("initial_learning_rate", "decay_steps", "decay_rate"), ("staircase",)),
    "piecewise_constant_decay": (("boundaries", "values"), ()),
    "polynomial_decay": (
        ("initial_learning_rate", "decay_steps"),
        ("end_learning_rate", "power", "cycle"),
    ),
}


def plain(name: str) -> str:
    """Returns a name without case and underscores: `cosine_decay` and `CosineDecay` are one."""
    return name.replace("_", "").lower()


def check_optimizer(where: str, block: Any) -> None:
    """Checks the block of one optimizer.

    Args:
        where: The block's place, which errors begin with.
        block: `class` and the arguments of that class; `learning_rate` may be a block with `schedule`.

    Raises:
        UserError: One line: the key, what was expected, what came.
    """
    name = _named(where, block, "class", list(OPTIMIZERS))
    arguments = {key: value for key, value in block.items() if key != "class"}
    rate = arguments.get("learning_rate")
    if isinstance(rate, dict):
        _check_schedule(f"{where}.learning_rate", rate)
        del arguments["learning_rate"]
    _check_arguments(where, arguments, (*COMMON, *OPTIMIZERS[name]))
    _check_together(where, name, arguments)


def _check_schedule(where: str, block: dict[str, Any]) -> None:
    name = _named(where, block, "schedule", list(SCHEDULES))
    arguments = {key: value for key, value in block.items() if key != "schedule"}
    needed, others = SCHEDULES[name]
    _check_arguments(where, arguments, (*needed, *others))
    for argument in needed:
        if argument not in arguments:
            raise UserError(f"{where}.{argument} is missing")
    if "boundaries" in arguments:
        boundaries, values = arguments["boundaries"], arguments["values"]
        if len(values) != len(boundaries) + 1:
            raise UserError(
                f"{where}.values: expected {len(boundaries) + 1} numbers for {len(boundaries)} "
                f"boundaries, one more than those, not {len(values)}"
            )
        if any(first >= second for first, second in pairwise(boundaries)):
            raise UserError(
                f"{where}.boundaries: expected steps in rising order, not {shown(boundaries)}"
            )
    elif bool(arguments.get("warmup_steps")) != (arguments.get("warmup_target") is not None):
        missing = "warmup_steps" if arguments.get("warmup_target") is not None else "warmup_target"
        raise UserError(f"{where}.{missing} is missing: warmup_target and warmup_steps go together")
    elif not arguments["initial_learning_rate"] and not arguments.get("warmup_target"):
        raise UserError(
            f"{where}.initial_learning_rate: expected a number above 0 where there is no warmup_target, not 0"
        )


def _named(where: str, block: Any, kind: str, known: list[str]) -> str:
    """The name that a block has under `class` or `schedule`, as the table writes it."""
    if not isinstance(block, dict):
        raise UserError(f"{where}: expected keys and values with {kind}:, not {shown(block)}")
    if kind not in block:
        found = f" (it has {', '.join(map(str, block))})" if block else ""
        raise UserError(f"{where}.{kind} is missing{found}: {nearest('', known)}")
    name = block[kind]
    if not isinstance(name, str):
        raise UserError(f"{where}.{kind}: expected a name, not {shown(name)}: {nearest('', known)}")
    names = {plain(each): each for each in known}
    if plain(name) not in names:
        raise UserError(f"{where}.{kind} is {shown(name)}: {nearest(name.lower(), known)}")
    return names[plain(name)]


def _check_arguments(where: str, arguments: dict[str, Any], known: tuple[str, ...]) -> None:
    for name in arguments:
        if name not in known:
            raise UserError(f"{where}.{name} is not a known key: {nearest(name, list(known))}")
    for name, value in arguments.items():
        try:
            _adapter(name).validate_python(value)
        except ValidationError as error:
            details = error.errors()[0]
            inner = "".join(f".{part}" for part in details["loc"] if isinstance(part, int))
            raise UserError(f"{where}.{name}{inner}: {problem(details)}") from None


@cache
def _adapter(name: str) -> TypeAdapter:
    return TypeAdapter(ARGUMENTS[name], config=ConfigDict(strict=True, allow_inf_nan=False))


def _check_together(where: str, name: str, arguments: dict[str, Any]) -> None:
    clips = [each for each in ("clipnorm", "clipvalue", "global_clipnorm") if arguments.get(each)]
    if len(clips) > 1:
        raise UserError(f"{where}: give either {clips[0]} or {clips[1]}, not both")
    if "ema_half_life" in arguments:
        if "ema_momentum" in arguments:
            raise UserError(
                f"{where}: give either ema_half_life (examples) or ema_momentum, not both"
            )
        if arguments.get("use_ema") is False:
            raise UserError(f"{where}: ema_half_life averages weights, and use_ema is false")
    elif "use_ema" not in arguments:
        for option in ("ema_momentum", "ema_overwrite_frequency"):
            if arguments.get(option) is not None:
                raise UserError(f"{where}.{option} does nothing without use_ema: true")
    if name == "adamw" and arguments.get("weight_decay", 0.0) is None:
        raise UserError(f"{where}.weight_decay: expected a number, not null: or take class: adam")
    if name == "lion" and arguments.get("beta_1") == 0:
        raise UserError(f"{where}.beta_1: expected a number above 0, not 0")
