"""Damaged and strange YAML files: each is one line with the number of the line in the file."""

import os

import pytest

from pipelines.settings import load_settings, params_file
from pipelines.shared import catalog, yaml_file
from pipelines.shared.errors import UserError

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{key}: &{key} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, key in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("a: 1\nb: 2026-13-45", ["line 2", "2026-13-45", "date", "quotes"]),
        ("a: 2026-11-28", ["line 1", "date"]),
        ("a: !!int x", ["line 1", "'x'", "whole number"]),
        ("a: !!float x", ["line 1", "'x'", "number"]),
        ("a: !!bool x", ["line 1", "true or false"]),
        ("a: " + "9" * 5000, ["line 1", "whole number"]),
        ("a: 0x" + "f" * 5000, ["line 1", "whole number"]),
        ("a: !!python/object:os.system x", ["line 1", "!!python/object:os.system"]),
        ("a: !mine {b: 1}", ["line 1", "!mine"]),
        ("a: !!binary aGk=", ["line 1", "!!binary"]),
        ("a: !!set {b, c}", ["line 1", "!!set"]),
        ("a: 1\nb: 2\na: 3", ["line 3", '"a"', "line 1 already"]),
        ("a: {1: 2}", ["line 1", "the key 1 ", '"1"']),
        ("true: 2", ["line 1", "the key true "]),
        ("a:\n  null: 2", ["line 2", "the key null "]),
        ("2026-01-01: 2", ["line 1", "the key 2026-01-01 "]),
        ("[a, b]: 2", ["line 1", "a key is a list"]),
        ("{a: 1}: 2", ["line 1", "a key is a list or a mapping"]),
        ("a:\n\tb: 1", ["line 2", "cannot start any token"]),
        ("a: 1\nb: \0", ["line 2", "U+0000"]),
        ('a: "\\0"', ["line 1", "control character"]),
        ('a: "\\e[31m"', ["line 1", "control character"]),
        ("[" * 100_000, ["line 1", "nested"]),
        ("- " * 100_000, ["line 1", "nested"]),
        ("a: " + "{a: " * 1000, ["line 1", "nested"]),
        (BOMB, ["aliases", "too large"]),
        ("a: &a [*a]", ["line 1", "alias"]),
        ("a: &a {b: *a}", ["line 1", "alias"]),
        ("a: *b", ["line 1", "alias"]),
        ("a: 1\n---\nb: 2", ["another document"]),
        ("a: [1", ["not YAML"]),
        ("a: b: c", ["line 1", "not YAML"]),
        ("%YAML 9.9\n---\na: 1", ["line 1", "not YAML"]),
        ("<<: 3", ["line 1", "not YAML"]),
    ],
)
def test_what_is_refused(text, parts):
    with pytest.raises(UserError) as caught:
        yaml_file.parse(text, "params.yaml")
    message = str(caught.value)
    assert message.startswith("params.yaml")
    assert "\n" not in message
    assert len(message) < 300
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("", None),
        ("a: [1, 1.5, 1e-3, .inf, yes, true, null, 12:30]", None),
        (
            "base: &b {x: 1}\nd:\n  <<: *b\n  y: *b",
            {"base": {"x": 1}, "d": {"x": 1, "y": {"x": 1}}},
        ),
        ("'1': 2", {"1": 2}),
        ("a: 1\r\nb: ä\r\n", {"a": 1, "b": "ä"}),
    ],
)
def test_what_is_read(text, content):
    assert content is None or yaml_file.parse(text, "params.yaml") == content


def _pipe(path):
    os.mkfifo(path)


def _loop(path):
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.mkdir(), "folder"),
        (lambda path: path.symlink_to("nowhere"), "nowhere"),
        (_loop, "link"),
        (_pipe, "no ordinary file"),
        (lambda path: path.write_bytes(b"a: 1\nb: \xff\xfe"), "line 2 is not UTF-8"),
        (lambda path: path.write_text("a: 1", encoding="utf-16"), "line 1 is not UTF-8"),
        (lambda path: None, "No such file"),
    ],
)
def test_what_is_no_file_of_settings(tmp_path, make, words):
    path = tmp_path / "params.yaml"
    make(path)
    # Settings and what edits them read by the same reader.
    for read in (load_settings, params_file.read):
        with pytest.raises(UserError, match=words) as caught:
            read(path)
        assert "\n" not in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("a: 1", encoding="utf-8-sig")
    assert yaml_file.load(path) == {"a": 1}


@pytest.mark.parametrize(
    ("text", "words"),
    [("[1", "not YAML"), ("paper: {}\nsummary: s", "lacks family, capabilities"), ("- a", "lacks")],
)
def test_a_damaged_recipe_is_one_line(tmp_path, monkeypatch, text, words):
    (tmp_path / "broken.yaml").write_text(text)
    monkeypatch.setattr(catalog, "folder", lambda: tmp_path)
    catalog.recipe.cache_clear()
    try:
        with pytest.raises(UserError, match=words) as caught:
            catalog.recipe("broken")
    finally:
        catalog.recipe.cache_clear()
    assert "broken.yaml" in str(caught.value)
