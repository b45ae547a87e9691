"""What was expected and what came, in words: for errors about a value of a settings file."""

import json
from collections.abc import Mapping
from typing import Any

from pydantic_core import ErrorDetails

LONGEST = 60
#: Words that YAML 1.1 took for true or false; in YAML 1.2 they are texts.
FLAGS = frozenset({"y", "n", "yes", "no", "on", "off"})
KINDS = {
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "a text",
    "string_too_short": "a text that is not empty",
    "string_unicode": "a text",
    "dict_type": "keys and values",
    "model_type": "keys and values",
    "model_attributes_type": "keys and values",
    "list_type": "a list",
    "finite_number": "a finite number",
}
BOUNDS = {
    "greater_than": ("gt", "a number above"),
    "greater_than_equal": ("ge", "a number of at least"),
    "less_than": ("lt", "a number below"),
    "less_than_equal": ("le", "a number of at most"),
}


def problem(error: ErrorDetails | Mapping[str, Any]) -> str:
    """Says what pydantic found wrong with a value.

    Args:
        error: One of its `ValidationError.errors()`.

    Returns:
        Such as "expected a number above 0, not -0.001".
    """
    kind, value, context = error["type"], error["input"], error.get("ctx") or {}
    if kind == "value_error":
        return str(context["error"])
    if kind in BOUNDS:
        name, words = BOUNDS[kind]
        return f"expected {words} {_number(context[name])}, not {shown(value)}"
    if kind == "literal_error":
        return f"expected {context['expected']}, not {shown(value)}"
    if kind == "too_short":
        return f"expected at least {context['min_length']} of them, not {shown(value)}"
    hint = ""
    if kind == "bool_type" and isinstance(value, str) and value.lower() in FLAGS:
        hint = ", which is a text in YAML 1.2"
    expected = KINDS.get(kind)
    if expected is None:
        return f"{error['msg'][:1].lower()}{error['msg'][1:]}, not {shown(value)}"
    return f"expected {expected}, not {shown(value)}{hint}"


def _number(value: float) -> str:
    return f"{int(value):,}" if value == int(value) else f"{value:g}"


def shown(value: Any) -> str:
    """Writes a value that came, in one short line and as YAML has it.

    Args:
        value: Whatever stood there.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "keys and values" if value else "{}"
    try:
        text = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)
    except ValueError:  # Python does not write out integers of more than 4,300 digits
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
