"""Reads YAML files: whatever is wrong with one is told in one line, with the number of the line in it.

What is read is plain: words, numbers, true, false, null, lists, and mappings whose keys are words, each
named once. DVC, and Python's JSON, take no other.
"""

import re
import warnings
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, ReusedAnchorWarning, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode

from pipelines.shared.errors import UserError

#: Settings need a tenth of this.
DEPTH = 50
#: With everything written out that an alias stands for.
VALUES = 1_000_000
#: Of a number: Python refuses to write out much longer ones.
DIGITS = 400
BYTES = 2**26
TAG = "tag:yaml.org,2002:"
PLAIN = ("str", "int", "float", "bool", "null")
CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


def load(path: Path, name: str | None = None) -> Any:
    """Reads a YAML file.

    Args:
        path: The file.
        name: What errors call it; by default its name without folders.

    Raises:
        UserError: It cannot be read, or is not what the module's header says.
    """
    return parse(read(path), name or path.name)


def read(path: Path) -> str:
    """Returns the text of a file in UTF-8; a `UserError` where it is none."""
    try:
        if not path.is_file():
            raise UserError(_no_file(path))
        data = path.read_bytes() if path.stat().st_size <= BYTES else None
    except OSError as error:
        raise UserError(f"cannot read {path}: {error.strerror}") from None
    if data is None:
        raise UserError(f"{path} is larger than {BYTES >> 20} MiB: that is no file of settings")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UserError(f"{path.name}, line {line} is not UTF-8: save it as UTF-8") from None


def _no_file(path: Path) -> str:
    if path.is_dir():
        return f"cannot read {path}: it is a folder"
    if path.is_symlink() and not path.exists():
        return f"cannot read {path}: it is a link to {path.readlink()}, which is not there"
    if path.exists():
        return f"cannot read {path}: it is no ordinary file"
    return f"cannot read {path}: No such file or directory; run this in the folder of the project"


def parse(text: str, name: str) -> Any:
    """Reads YAML text.

    Args:
        text: One document.
        name: Of the file, for errors.

    Raises:
        UserError: It is not what the module's header says.
    """
    found = CONTROL.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        code = f"U+{ord(found.group()):04X}"
        raise UserError(f"{name}, line {line} is not YAML: it has the control character {code}")
    if any(row.count("[") + row.count("{") > DEPTH for row in text.splitlines()):
        _check_depth(text, name)  # composing would take seconds to find out
    # The library's C parser, where it is installed, does not take quite the same files.
    yaml = YAML(typ="safe", pure=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", ReusedAnchorWarning)
            root = yaml.compose(text)
        if root is None:
            return None
        _Document(name, yaml.constructor).check(root)
        return yaml.constructor.construct_document(root)
    except MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        what = _one_line(error.problem)
        if error.context and not error.context.startswith("while"):
            what = f"{error.context} {what}"  # such as "expected a single document in the stream", "but found another"
        raise UserError(f"{name}{line} is not YAML: {what}") from None
    except RecursionError:
        _check_depth(text, name)
        raise UserError(f"{name}: blocks are nested too deep") from None
    except (YAMLError, ReusedAnchorWarning, ValueError, TypeError) as error:
        raise UserError(f"{name} is not YAML: {_one_line(error)}") from None


def _one_line(error: Any) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _check_depth(text: str, name: str) -> None:
    """Raises a `UserError` where blocks are nested too deep; a parser needs no recursion to see it."""
    depth = 0
    try:
        for event in YAML(typ="safe", pure=True).parse(text):
            kind = type(event).__name__
            depth += kind.endswith("StartEvent") - kind.endswith("EndEvent")
            if depth > DEPTH:
                line = event.start_mark.line + 1
                raise UserError(f"{name}, line {line}: blocks are nested too deep")
    except YAMLError:
        return  # told when it is composed


class _Document:
    """What is refused of a document that is YAML: tags, keys, numbers, and what aliases blow up."""

    def __init__(self, name: str, constructor: Any):
        self.name, self.constructor = name, constructor
        #: How many values a node stands for, and how deep; None while it is looked at.
        self.sizes: dict[int, tuple[int, int] | None] = {}

    def check(self, node: Node) -> tuple[int, int]:
        """Checks a node and all below it; returns how many values it stands for, and how deep they are nested."""
        if id(node) in self.sizes:
            size = self.sizes[id(node)]
            if size is None:
                raise self._error(node, "an alias stands within what it names")
            return size
        self.sizes[id(node)] = None
        count, depth = 1, 0
        if isinstance(node, ScalarNode):
            self._check_scalar(node)
        else:
            self._check_tag(node, "map" if isinstance(node, MappingNode) else "seq")
            children = self._values(node) if isinstance(node, MappingNode) else node.value
            for child in children:
                inner_count, inner_depth = self.check(child)
                count, depth = count + inner_count, max(depth, inner_depth)
                if depth >= DEPTH:
                    raise self._error(child, "blocks are nested too deep")
                if count > VALUES:
                    raise self._error(child, "with its aliases written out it is too large")
        self.sizes[id(node)] = count, depth + 1
        return count, depth + 1

    def _values(self, node: MappingNode) -> list[Node]:
        seen: dict[str, int] = {}
        for key, _ in node.value:
            if key.tag == TAG + "merge":
                continue
            if not isinstance(key, ScalarNode):
                raise self._error(key, "a key is a list or a mapping: expected a word")
            if key.tag != TAG + "str":
                raise self._error(
                    key, f'the key {_short(key.value)} is no word: put it in quotes, "{key.value}"'
                )
            self._check_scalar(key)
            if key.value in seen:
                raise self._error(
                    key,
                    f'the key "{_short(key.value)}" stands in line {seen[key.value]} already',
                )
            seen[key.value] = key.start_mark.line + 1
        return [value for _, value in node.value]

    def _check_scalar(self, node: ScalarNode) -> None:
        value = _short(node.value)
        if node.tag == TAG + "timestamp":
            raise self._error(node, f'{value} is taken for a date: put it in quotes, "{value}"')
        self._check_tag(node, *PLAIN)
        if node.tag == TAG + "str":
            if CONTROL.search(node.value):
                raise self._error(node, f"a control character stands in {value!r}")
            return
        try:
            if len(node.value) > DIGITS:
                raise ValueError
            self.constructor.construct_object(node)
        except (ValueError, TypeError, KeyError, IndexError, YAMLError):
            kind = {"int": "a whole number", "float": "a number", "bool": "true or false"}
            expected = kind.get(node.tag.removeprefix(TAG), "null")
            raise self._error(node, f"{value!r} cannot be read as {expected}") from None

    def _check_tag(self, node: Node, *known: str) -> None:
        if node.tag not in {TAG + each for each in known}:
            shown = node.tag.replace(TAG, "!!")
            raise self._error(node, f"the tag {_short(shown)} is not for settings: take it away")

    def _error(self, node: Node, what: str) -> UserError:
        return UserError(f"{self.name}, line {node.start_mark.line + 1}: {what}")


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:40]}..."
