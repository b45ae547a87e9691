"""Arguments checked by their annotations, and told of in one line where they are wrong.

Types are strict: true and false are no numbers, a word is no list of letters, "3" is no number, and numbers are
finite. NumPy's scalars and arrays count as their Python values, lists and tuples as each other. Parameters without an
annotation, or with one that says nothing that could be checked, take everything.

This module imports nothing of this package, nor Keras: `params.yaml` is checked by it, too.
"""

import dataclasses
import functools
import inspect
import types
import typing
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from pydantic import ConfigDict, PydanticUserError, TypeAdapter, ValidationError

# Characters of a wrong value that are shown.
_SHOWN = 60
# What Python shows by its value, and not by its address or by lines of text.
_WRITTEN = (bool, int, float, complex, str, bytes, list, tuple, dict, set, type(None))
_CONFIG = ConfigDict(strict=True, arbitrary_types_allowed=True, allow_inf_nan=False)


class ArgumentError(ValueError):
    """A wrong value of an argument; the text begins with the argument's name.

    Attributes:
        argument: Its name.
    """

    def __init__(self, argument: str, message: str):
        super().__init__(message)
        self.argument = argument


def annotations_of(function: Callable) -> dict[str, Any]:
    """The annotations of a function's parameters that can be evaluated, by name."""
    try:
        found = typing.get_type_hints(function, include_extras=True)
    except (NameError, TypeError, AttributeError):
        # One that names what is not there yet: leave the strings out.
        raw = getattr(inspect.unwrap(function), "__annotations__", {})
        found = {name: each for name, each in raw.items() if not isinstance(each, str)}
    return {name: each for name, each in found.items() if name != "return"}


def shown(value: Any) -> str:
    """A value as text that fits into a line; integers of thousands of digits only by their size."""
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() > 200:
        return f"an integer of {value.bit_length()} bits"
    if not isinstance(value, _WRITTEN):
        return f"a {type(value).__name__}"
    try:
        text = repr(value)
    except ValueError:  # a number too long to print, somewhere within
        return f"a {type(value).__name__}"
    text = " ".join(text.split())
    return text if len(text) <= _SHOWN else text[: _SHOWN - 3] + "..."


def plain(value: Any) -> Any:
    """NumPy's scalars and arrays as Python's numbers and lists; everything else as it is."""
    if hasattr(value, "dtype") and hasattr(value, "tolist"):
        return value.tolist()
    if type(value) in (list, tuple):
        return type(value)(plain(each) for each in value)
    return value


class Checker:
    """Checks values against annotations.

    Args:
        annotations: By the names of the arguments.
        defaults: Values that are always accepted, by name.
        none: How the reader of the messages writes None.
    """

    def __init__(
        self,
        annotations: Mapping[str, Any],
        defaults: Mapping[str, Any] | None = None,
        none: str = "None",
    ):
        self._annotations = annotations
        self._defaults = defaults or {}
        self._none = none
        self._adapters: dict[str, TypeAdapter | None] = {}

    def __call__(self, name: str, value: Any) -> Any:
        """The value in Python's own types.

        Raises:
            ArgumentError: One line: the argument, what was expected, what came.
        """
        adapter = self._adapter(name)
        if adapter is None or (name in self._defaults and value is self._defaults[name]):
            return value
        value = plain(value)
        problem = None
        for candidate in _alternatives(value):
            try:
                return adapter.validate_python(candidate)
            except ValidationError as error:
                problem = problem or error
        above = any(
            each["type"] in ("less_than", "less_than_equal", "too_long")
            for each in problem.errors(include_input=False, include_url=False)
        )
        expected = describe(self._annotations[name], above=above, none=self._none)
        raise ArgumentError(name, f"{name} must be {expected}, not {self._shown(value)}")

    def _shown(self, value: Any) -> str:
        return self._none if value is None else shown(value)

    def _adapter(self, name: str) -> TypeAdapter | None:
        if name not in self._adapters:
            self._adapters[name] = _adapter_of(self._annotations.get(name, Any))
        return self._adapters[name]


def _adapter_of(annotation: Any) -> TypeAdapter | None:
    if annotation is Any or annotation is inspect.Parameter.empty:
        return None
    try:
        return TypeAdapter(annotation, config=_CONFIG)
    except PydanticUserError:
        # pydantic takes the settings of a class that has its own, and knows nothing of some annotations.
        return None


def _alternatives(value: Any) -> tuple[Any, ...]:
    if isinstance(value, list):
        return value, tuple(value)
    if isinstance(value, tuple):
        return value, list(value)
    return (value,)


# ---- what was expected, in words ------------------------------------------------------------------


def describe(annotation: Any, *, above: bool = True, none: str = "None") -> str:
    """What an annotation allows, in words.

    Args:
        annotation: Such as those of `gm_keras.types`.
        above: Say the upper bounds too.
        none: What None is called.

    Returns:
        For example "an integer of at least 1, or None".
    """
    return _words(annotation, above, none, plural=False)


def _words(annotation: Any, above: bool, none: str, plural: bool) -> str:
    metadata: list[Any] = []
    while typing.get_origin(annotation) is typing.Annotated:
        annotation, *more = typing.get_args(annotation)
        metadata = [*more, *metadata]
    written = [each.description for each in metadata if getattr(each, "description", None)]
    if written and not plural:
        return written[-1]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        return _alternatives_in_words(arguments, above, none, plural)
    if origin is Literal:
        return _names(arguments)
    bounds = _bounds(metadata)
    if annotation is bool:
        return "flags" if plural else "true or false"
    if annotation is int:
        return _number("integers" if plural else "an integer", bounds, above)
    if annotation is float:
        return _number("numbers" if plural else "a number", bounds, above)
    if annotation is str:
        at_least = bounds.get("min_length")
        text = "texts" if plural else "a text"
        return f"{text} of at least {at_least} character{'s'[: at_least > 1]}" if at_least else text
    kind = origin or annotation
    if isinstance(kind, type) and issubclass(kind, Mapping):
        return "mappings" if plural else "a mapping"
    if isinstance(kind, type) and issubclass(kind, Sequence):
        return _list(arguments, bounds, above, none, plural)
    if annotation in (None, type(None)):
        return none
    name = getattr(annotation, "__name__", str(annotation))
    return f"{name} objects" if plural else f"a {name}"


def _alternatives_in_words(arguments: tuple, above: bool, none: str, plural: bool) -> str:
    words = [_words(each, above, none, plural) for each in arguments if each is not type(None)]
    if len(words) == len(arguments):
        return " or ".join(words)
    only_names = all(typing.get_origin(each) is Literal for each in arguments[:-1])
    return " or ".join(words) + (f" or {none}" if only_names else f", or {none}")


def _names(values: tuple) -> str:
    names = [f'"{each}"' if isinstance(each, str) else str(each) for each in values]
    return " or ".join(names) if len(names) < 3 else f"one of {', '.join(names)}"


def _list(arguments: tuple, bounds: dict, above: bool, none: str, plural: bool) -> str:
    items = _words(arguments[0], above, none, plural=True) if arguments else "values"
    least, most = bounds.get("min_length"), bounds.get("max_length")
    count = ""
    if least and above and most:
        count = f"{least} to {most} " if most > least else f"{least} "
    elif least:
        count = "one or more " if least == 1 else f"at least {least} "
    return f"{'lists' if plural else 'a list'} of {count}{items}"


def _bounds(metadata: list[Any]) -> dict[str, Any]:
    """The limits in what `Annotated` holds besides the type: of numbers, lengths of texts and lists."""
    bounds = {}
    for each in metadata:
        for constraint in getattr(each, "metadata", [each]):
            for name in ("ge", "gt", "le", "lt", "min_length", "max_length"):
                if getattr(constraint, name, None) is not None:
                    bounds[name] = getattr(constraint, name)
    return bounds


def _number(kind: str, bounds: dict[str, Any], above: bool) -> str:
    def text(value):
        return str(int(value)) if value == int(value) else f"{value:g}"

    low, high = bounds.get("ge", bounds.get("gt")), bounds.get("le", bounds.get("lt"))
    # 1 bounds what is a part of something; other upper bounds are of no interest until they are passed, unless there
    # is one on either side.
    above = above or (isinstance(high, float) and (high <= 1.0 or low == -high))
    if isinstance(high, int) and "lt" in bounds:
        high, bounds = high - 1, {**bounds, "le": high - 1}
    if low is not None and high is not None and above and {"ge", "le"} <= set(bounds):
        return f"{kind} from {text(low)} to {text(high)}"
    parts = []
    if low is not None:
        parts.append(("of at least " if "ge" in bounds else "above ") + text(low))
    if high is not None and above:
        parts.append(("at most " if "le" in bounds else "less than ") + text(high))
    return " ".join([kind, " and ".join(parts)]) if parts else kind


# ---- functions whose arguments are checked --------------------------------------------------------


_POSITIONAL = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
)
_VARIABLE = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Signature:
    """The parameters of a function, and what their annotations allow.

    Args:
        function: A method; its first parameter, `self`, is none of the parameters here.
    """

    def __init__(self, function: Callable):
        parameters = list(inspect.signature(function).parameters.values())[1:]
        self._name = function.__qualname__.removesuffix(".__init__")
        self._bound = inspect.Signature(parameters)
        #: Those with a name of their own, which `*args` and `**kwargs` are not.
        self.named = {each.name: each for each in parameters if each.kind not in _VARIABLE}
        defaults = {
            each.name: each.default
            for each in parameters
            if each.default is not inspect.Parameter.empty
        }
        self.check = Checker(annotations_of(function), defaults)

    def bind(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> inspect.BoundArguments:
        """Arguments of a call, checked, in Python's own types.

        Raises:
            TypeError: An argument is missing, unknown, or given twice.
            ArgumentError: One has a wrong value.
        """
        try:
            bound = self._bound.bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self._name}: {error}") from None
        for name, value in bound.arguments.items():
            if name in self.named:
                bound.arguments[name] = self.check(name, value)
        return bound


def checked(method: Callable) -> Callable:
    """Decorates a method: what it is called with is checked by its annotations.

    The method gets Python's own types; a wrong value is an `ArgumentError`.
    """

    signature = functools.cache(lambda: Signature(method))

    @functools.wraps(method)
    def call(self, *args, **kwargs):
        bound = signature().bind(args, kwargs)
        return method(self, *bound.args, **bound.kwargs)

    return call


@dataclasses.dataclass
class Inherited:
    """What a method takes, its own parameters and those that it passes on.

    Attributes:
        positional: Names of those that can be given by their place, in order.
        parameters: All, by name, with evaluated annotations.
        passes_on: Whether others are passed on to where nobody knows.
    """

    positional: list[str]
    parameters: dict[str, inspect.Parameter]
    passes_on: bool


def inherited(cls: type, method: str, until: type) -> Inherited:
    """What a method takes, with what it passes on by `*args` and `**kwargs` to those that it overrides.

    Args:
        cls: A class.
        method: The method's name.
        until: The base class whose own method is none of them.
    """
    found = Inherited([], {}, passes_on=True)
    positional = True
    for each in cls.__mro__[: cls.__mro__.index(until)]:
        if method not in vars(each) or not found.passes_on:
            continue
        function = vars(each)[method]
        annotations = annotations_of(function)
        parameters = list(inspect.signature(function).parameters.values())[1:]
        kinds = {parameter.kind for parameter in parameters}
        for parameter in parameters:
            if parameter.kind in _VARIABLE:
                continue
            if positional and parameter.kind in _POSITIONAL:
                found.positional.append(parameter.name)
            annotation = annotations.get(parameter.name, Any)
            found.parameters.setdefault(parameter.name, parameter.replace(annotation=annotation))
        found.passes_on = inspect.Parameter.VAR_KEYWORD in kinds
        positional = positional and inspect.Parameter.VAR_POSITIONAL in kinds
    return found
