"""The arguments of a model's constructor, read from its source: no Keras, no seconds of importing."""

import ast
from functools import cache

from pipelines import catalog
from pipelines.errors import UserError


@cache
def constructor_arguments(system: str) -> tuple[str, ...]:
    """Returns the names that `model:` may hold in `params.yaml`.

    Args:
        system: The name of a system; its class is in `gm_keras/models/<family>/<system>.py`.

    Raises:
        UserError: If that file holds no model.
    """
    family = catalog.recipe(system).family
    path = catalog.folder().parent / "models" / family / f"{system}.py"
    if not path.is_file():
        raise UserError(f"{path} is missing: the recipe of {system} names the family {family}")
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ClassDef):
            methods = {each.name: each for each in node.body if isinstance(each, ast.FunctionDef)}
            if {"__init__", "phases"} <= set(methods):
                arguments = methods["__init__"].args
                names = [each.arg for each in (*arguments.args[1:], *arguments.kwonlyargs)]
                return tuple(name for name in names if name != "name")
    raise UserError(f"{path} holds no model: a class with a constructor and phases()")
