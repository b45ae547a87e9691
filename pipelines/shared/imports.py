"""Which modules of this checkout a module imports, directly or through others, and what each of them says.

Imports are read from the source, those inside functions too, and nothing is run. What stands as a name in a text (the
registry's places, say) is no import, and neither is what only type checkers look at.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import grimp

from pipelines.shared.errors import UserError

PACKAGES = ("gm_keras", "pipelines")
#: Of a node of the syntax tree: how a text was written (`u""`), and what its place says anyway.
_UNSAID = ("kind", "type_comment", "ctx")


def reached(roots: Iterable[str], apart: Callable[[str], bool]) -> list[str]:
    """The modules that run when others do: what they import, and the packages that these are in.

    Args:
        roots: Names of modules.
        apart: Says of a module that it is left out, with all that is reached through it alone.

    Returns:
        Their names, the roots among them, sorted.
    """
    graph = _graph()
    found: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module in found or apart(module):
            continue
        found.add(module)
        waiting += graph.find_modules_directly_imported_by(module)
        if package := module.rpartition(".")[0]:
            waiting.append(package)
    return sorted(found)


@cache
def meaning(module: str) -> str:
    """A checksum of what a module says: of its syntax tree without docstrings, the same under each version of Python.

    Returns:
        16 hexadecimal digits.

    Raises:
        UserError: It is not Python.
    """
    path = _path(module)
    try:
        return meaning_of(path.read_bytes())
    except SyntaxError as error:
        raise UserError(f"{path}, line {error.lineno} is not Python: {error.msg}") from None


def meaning_of(source: str | bytes) -> str:
    """As `meaning`, of a source text."""
    text = "\n".join(_told(ast.parse(source)))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


@cache
def _graph() -> grimp.ImportGraph:
    try:
        # Without a cache of its own, which would lie in the current folder.
        return grimp.build_graph(*PACKAGES, cache_dir=None, exclude_type_checking_imports=True)
    except grimp.exceptions.SourceSyntaxError as error:
        raise UserError(
            f"{error.filename}, line {error.lineno} is not Python: {error.text}"
        ) from None


def _path(module: str) -> Path:
    # Finding `a.b` through importlib would import `a`.
    package, *parts = module.split(".")
    path = Path(importlib.util.find_spec(package).origin).parent.joinpath(*parts)
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _told(node: Any) -> Iterator[str]:
    """A syntax tree as lines. `ast.dump` has other fields and other forms under other versions of Python."""
    if isinstance(node, ast.AST):
        yield type(node).__name__
        for name, value in ast.iter_fields(node):
            if value is None or value == [] or name in _UNSAID:
                continue
            yield f".{name}"
            if name == "body" and _begins_with_docstring(node):
                value = value[1:]
            yield from _told(value)
        yield "/"
    elif isinstance(node, list):
        for each in node:
            yield from _told(each)
    else:
        yield repr(node)


def _begins_with_docstring(node: ast.AST) -> bool:
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return isinstance(node, kinds) and ast.get_docstring(node, clean=False) is not None
