"""Constructors whose arguments are checked, and are the model's configuration."""

import copy
import functools
import inspect
from collections.abc import Callable
from typing import Any

import keras

from gm_keras.core import arguments


class ConstructionMixin:
    """Checks what a constructor is called with, keeps it, and derives the configuration from it.

    Annotations of the constructor's parameters say what is allowed; `gm_keras.types` has the usual ones. A constructor
    with `**kwargs` that passes them on to `super().__init__(**kwargs)` takes the arguments of its parents as well, and
    the configuration holds both; arguments that it gives its parent itself are no part of it.
    """

    def __init_subclass__(cls, **options: Any):
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _checked(cls.__init__)

    def __new__(cls, *args, **kwargs):
        known = _known(cls)
        for name in kwargs:
            if name not in known.parameters and not known.passes_on:
                raise TypeError(
                    f'{cls.__name__} has no argument "{name}"; '
                    f"its arguments are {', '.join(known.parameters)}"
                )
        instance = super().__new__(cls)
        # Not ordinary attributes: Keras would wrap the lists in them for tracking.
        given = {**dict(zip(known.positional, args, strict=False)), **kwargs}
        object.__setattr__(instance, "_given", given)
        object.__setattr__(instance, "_arguments", {})
        object.__setattr__(instance, "_built_with", {})
        return instance

    def _keep(self, constructor: arguments.Signature, given: dict[str, Any]) -> None:
        """Keeps the arguments of one constructor; those of subclasses come first."""
        for name, parameter in constructor.named.items():
            value = given.get(name, parameter.default)
            self._built_with[name] = value
            # What a subclass gives its parent itself cannot be given to the subclass.
            if name not in given or name in self._given:
                self._arguments.setdefault(name, arguments.plain(value))

    def get_config(self) -> dict[str, Any]:
        kept = {
            name: keras.saving.serialize_keras_object(value)
            if hasattr(value, "get_config")
            else copy.deepcopy(value)
            for name, value in {**self._given, **self._arguments}.items()
        }
        policy = self.dtype_policy.name
        # Only where it is another one: files of models in float32 stay as they were.
        precision = {} if policy == "float32" else {"dtype": policy}
        return {**kept, "name": self.name, **precision}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: dict | None = None):
        del custom_objects
        config = dict(config)
        policy = config.pop("dtype", "float32")
        arguments = {
            name: keras.saving.deserialize_keras_object(value)
            if isinstance(value, dict) and "registered_name" in value
            else value
            for name, value in config.items()
        }
        before = keras.config.dtype_policy()
        keras.config.set_dtype_policy(policy)
        try:
            return cls(**arguments)
        finally:
            keras.config.set_dtype_policy(before)


@functools.cache
def _known(cls: type) -> arguments.Inherited:
    base = next(each for each in cls.__mro__ if ConstructionMixin in each.__bases__)
    return arguments.inherited(cls, "__init__", base)


def _checked(constructor: Callable) -> Callable:
    # Not yet: an annotation may name what the module defines later.
    signature = functools.cache(lambda: arguments.Signature(constructor))

    @functools.wraps(constructor)
    def __init__(self, *args, **kwargs):  # noqa: N807
        bound = signature().bind(args, kwargs)
        self._keep(signature(), bound.arguments)
        constructor(self, *bound.args, **bound.kwargs)

    # Keras asks for the parameters without looking behind the decorator.
    __init__.__signature__ = inspect.signature(constructor)
    return __init__
