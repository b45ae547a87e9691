"""What the guide for subclasses says of hooks is what the classes have."""

import inspect
import re

import pytest

from gm_keras import registry
from gm_keras.core import GenerativeModel, model
from gm_keras.core.conditions import NAMES

KEYWORD_ONLY = inspect.Parameter.KEYWORD_ONLY
VAR_KEYWORD = inspect.Parameter.VAR_KEYWORD

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

#: A hook and its arguments, behind the word of `offers` or alone: what the guide sets in columns.
HOOK = re.compile(r"^    (?:(\w+) +| +)?(\w+)\(([^)]*)\)", re.MULTILINE)


def rows(pattern):
    """What the guide sets in columns: the word of `offers`, the name, and what stands in brackets."""
    word, found = "", []
    for match in pattern.finditer(model.__doc__):
        word = match[1] or word
        found.append((word, *match.groups()[1:]))
    return found


def offering(word):
    """Systems that offer something; every system where it is no such word."""
    classes = [registry.get(name) for name in registry.names()]
    return [cls for cls in classes if word in cls.offers] or classes


def test_every_word_of_offers_is_explained():
    words = {word for cls in offering("") for word in cls.offers}
    explained = re.findall(r"^    (\w+) {2,}", model.__doc__, re.MULTILINE)
    assert words <= set(explained)


def test_hooks_have_the_arguments_that_are_written_down():
    hooks = rows(HOOK)
    assert {name for _, name, _ in hooks} >= {"phases", "sample_batch", "_log_prob", "codes"}
    for word, name, arguments in hooks:
        written = [each for each in arguments.split(", ") if each not in ("", "*", "options")]
        # Who writes the public method itself needs no hook.
        classes = [cls for cls in offering(word) if hasattr(cls, name)]
        assert classes, name
        for cls in classes:
            _, *parameters = inspect.signature(getattr(cls, name)).parameters.values()
            own = [each.name for each in parameters]
            assert own[: len(written)] == written, f"{cls.__name__}.{name}"
            more = [each for each in parameters[len(written) :] if each.kind is not KEYWORD_ONLY]
            assert all(each.default is not each.empty or each.kind is VAR_KEYWORD for each in more)


def test_no_method_has_an_argument_for_a_condition_of_its_own():
    hooks = {name for _, name, _ in rows(HOOK)}
    for cls in (GenerativeModel, *offering("")):
        for name, method in inspect.getmembers(cls, inspect.isfunction):
            ours = method.__module__.startswith("gm_keras") and name != "translate"
            if ours and (not name.startswith("_") or name in hooks):
                named = set(inspect.signature(method).parameters) & set(NAMES)
                assert not named, f"{cls.__name__}.{name}"
