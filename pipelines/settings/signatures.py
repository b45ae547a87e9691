"""The arguments of a model and the options of its sampler, read from its source and checked by its annotations.

No Keras, no seconds of importing: annotations are evaluated in the vocabulary of `gm_keras.types`, and checked by
`gm_keras.core.arguments`, which is loaded by its address on disk, as its package imports Keras. What annotations name
besides (the class of a first stage) is left to the model itself.
"""

import ast
import builtins
import contextlib
import importlib.util
import sys
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pydantic

from gm_keras import types
from pipelines.shared import catalog
from pipelines.shared.errors import UserError, nearest

#: What the pipeline passes to a sampler itself, and where it is said instead.
OF_THE_PIPELINE = {
    "n": "evaluate: {samples: } says how many, and gm-keras sample -n",
    "seed": "seed: of the whole file says which, and gm-keras sample --seed",
    "label": "evaluation draws every class as often as the data; gm-keras sample --label draws one",
    "batch_size": "the pipeline draws in parts that fit",
}
#: What the classes of models import each other from.
MODELS = "gm_keras.models."
#: An argument of which `params.yaml` speaks elsewhere.
FIRST_STAGE = "first_stage"


@dataclass(frozen=True)
class _Parameters:
    """Parameters of a method: annotations and the defaults that can be read, by name."""

    annotations: dict[str, Any]
    defaults: dict[str, Any]


def constructor_arguments(system: str) -> tuple[str, ...]:
    """Returns the names of the arguments of a model's constructor.

    Args:
        system: The name of a system; its class is in `gm_keras/models/<family>/<system>.py`.

    Raises:
        UserError: If that file holds no model.
    """
    return tuple(_constructor(system).annotations)


def constructor_default(system: str, name: str) -> Any:
    """Returns what an argument of a constructor is where it is left out; None where the source does not say."""
    return _constructor(system).defaults.get(name)


def sample_options(system: str) -> tuple[str, ...]:
    """Returns the names that `sample:` may hold in `params.yaml`."""
    return tuple(_sampler(system).annotations)


def check_model(where: str, system: str, block: Mapping[str, Any]) -> None:
    """Checks the arguments under `model:`, each for itself.

    Args:
        where: The block, for example "params.yaml: systems.vae.model".
        system: The name of a system.
        block: The block's content.

    Raises:
        UserError: One line that begins with `where`, a dot and the name of the argument.
    """
    known = [name for name in constructor_arguments(system) if name != FIRST_STAGE]
    if FIRST_STAGE in block and FIRST_STAGE in constructor_arguments(system):
        raise UserError(f"{where}.{FIRST_STAGE} cannot be set here: name its system under uses:")
    for name in block:
        if name not in known:
            raise _unknown(where, name, nearest(str(name), known))
    _check(where, _constructor(system), block)


def check_sample(where: str, system: str, block: Mapping[str, Any]) -> None:
    """Checks the options under `sample:`, each for itself.

    Args:
        where: The block, for example "params.yaml: systems.vae.sample".
        system: The name of a system.
        block: The block's content.

    Raises:
        UserError: One line that begins with `where`, a dot and the name of the option.
    """
    known = list(sample_options(system))
    for name in block:
        if name in known:
            continue
        if name in OF_THE_PIPELINE:
            raise UserError(f"{where}.{name} cannot be set here: {OF_THE_PIPELINE[name]}")
        if not known:
            raise _unknown(where, name, f"{system} has no options: leave it out")
        raise _unknown(where, name, nearest(str(name), known))
    _check(where, _sampler(system), block)


def _unknown(where: str, name: Any, known: str) -> UserError:
    shown = (
        name if isinstance(name, str) and name.isidentifier() else _arguments_module().shown(name)
    )
    return UserError(f"{where}.{shown} is not a known key: {known}")


def _check(where: str, parameters: _Parameters, block: Mapping[str, Any]) -> None:
    arguments = _arguments_module()
    check = arguments.Checker(parameters.annotations, parameters.defaults, none="null")
    for name, value in block.items():
        try:
            check(name, value)
        except arguments.ArgumentError as error:
            raise UserError(f"{where}.{error}") from None


@cache
def _constructor(system: str) -> _Parameters:
    found = _Written(system).parameters("__init__")
    found.annotations.pop("name", None)
    return found


@cache
def _sampler(system: str) -> _Parameters:
    found = _Written(system).parameters("sample_batch", keywords_only=True)
    for name in OF_THE_PIPELINE:
        found.annotations.pop(name, None)
    return found


@cache
def _arguments_module() -> ModuleType:
    path = _library() / "core" / "arguments.py"
    spec = importlib.util.spec_from_file_location("_arguments_of_gm_keras", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _library() -> Path:
    return catalog.folder().parent


@dataclass(frozen=True)
class _Module:
    """The classes of a module of models, and the modules from which it imports others, by name."""

    classes: dict[str, ast.ClassDef]
    imported: dict[str, Path]


@cache
def _module(path: Path) -> _Module:
    body = ast.parse(path.read_text(encoding="utf-8")).body
    imported = {
        each.name: _library().parent.joinpath(*node.module.split(".")).with_suffix(".py")
        for node in body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(MODELS)
        for each in node.names
    }
    return _Module({node.name: node for node in body if isinstance(node, ast.ClassDef)}, imported)


class _Written:
    """The class of a system, and the classes of models that it inherits from, as they are written.

    Args:
        system: The name of a system.
    """

    def __init__(self, system: str):
        family = catalog.recipe(system).family
        self._path = _library() / "models" / family / f"{system}.py"
        if not self._path.is_file():
            raise UserError(
                f"{self._path} is missing: the recipe of {system} names the family {family}"
            )
        models = [
            name
            for name in _module(self._path).classes
            if self._methods(name, "__init__") and self._methods(name, "phases")
        ]
        if not models:
            raise UserError(f"{self._path} holds no model: a class with a constructor and phases()")
        self._model = models[0]

    def parameters(self, method: str, *, keywords_only: bool = False) -> _Parameters:
        """The parameters of a method; with `**kwargs`, those of the method that it passes them to as well."""
        found = _Parameters({}, {})
        for function in self._methods(self._model, method):
            for name, annotation, default in _arguments(function, keywords_only):
                if name not in found.annotations:
                    found.annotations[name] = _evaluated(annotation)
                    if default is not None:
                        _remember_default(found.defaults, name, default)
            if function.args.kwarg is None:
                break
        return found

    def _methods(self, cls: str, name: str) -> list[ast.FunctionDef]:
        return [
            each
            for node in _lineage(self._path, cls)
            for each in node.body
            if isinstance(each, ast.FunctionDef) and each.name == name
        ]


def _lineage(path: Path, name: str) -> Iterator[ast.ClassDef]:
    module = _module(path)
    if name in module.classes:
        yield module.classes[name]
        for base in module.classes[name].bases:
            if isinstance(base, ast.Name):
                yield from _lineage(path, base.id)
    elif name in module.imported and module.imported[name].is_file():
        yield from _lineage(module.imported[name], name)


def _arguments(
    function: ast.FunctionDef, keywords_only: bool
) -> Iterator[tuple[str, ast.expr | None, ast.expr | None]]:
    """Name, annotation and default of each parameter but `self`."""
    arguments = function.args
    if not keywords_only:
        positional = [*arguments.posonlyargs, *arguments.args]
        without = len(positional) - len(arguments.defaults)
        defaults = [*[None] * without, *arguments.defaults]
        for each, default in list(zip(positional, defaults, strict=True))[1:]:
            yield each.arg, each.annotation, default
    for each, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        yield each.arg, each.annotation, default


def _evaluated(annotation: ast.expr | None) -> Any:
    if annotation is None:
        return Any
    names = {
        **vars(builtins),
        **vars(typing),
        "Sequence": Sequence,
        "Field": pydantic.Field,
        **vars(types),
    }
    try:
        return eval(compile(ast.Expression(annotation), "<annotation>", "eval"), names)
    except NameError:  # a class that only the models know
        return Any


def _remember_default(defaults: dict[str, Any], name: str, default: ast.expr) -> None:
    with contextlib.suppress(ValueError):
        defaults[name] = ast.literal_eval(default)
