"""Files as others left them: each damage is one line that names the file, and nothing hangs."""

import os
import socket
import sys
from pathlib import Path

import pytest

from gm_keras.reading import FileError, check_file, parse_json, read_bytes, read_json, shown


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is damaged: Expecting value"),
        (b"{", "is damaged: Expecting property name"),
        (b"\xff\xfe{}", "is not UTF-8 text: byte 0 is 0xff"),
        (b"\xef\xbb\xbf{}", "is damaged: Unexpected UTF-8 BOM"),
        (b"null", "it holds null instead of an object"),
        (b"[1, 2]", "it holds a list instead of an object"),
        (b"true", "it holds true or false instead of an object"),
        (b"7", "it holds a number instead of an object"),
        (b'"a"', "it holds a text instead of an object"),
        (b'{"a": NaN}', "NaN is no number of JSON"),
        (b'{"a": -Infinity}', "-Infinity is no number of JSON"),
        (b'{"a": 1, "a": 2}', 'the key "a" is there twice'),
        (b'{"a": ' + b"9" * 5000 + b"}", "is damaged: Exceeds the limit"),
        (b'{"a": "x\ny"}', "is damaged: Invalid control character"),
        (b'{"a": ' * 100_000, "is damaged: it is nested too deep"),
        (b"[" * 100_000, "is damaged: it is nested too deep"),
    ],
)
def test_damaged_json_is_told_in_one_line(tmp_path: Path, content: bytes, message: str):
    (tmp_path / "a.json").write_bytes(content)
    with pytest.raises(FileError) as error:
        read_json(tmp_path / "a.json")
    assert str(error.value).startswith(f"{tmp_path}/a.json is ")
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(FileError, match="config of a"):
        parse_json(content, "config of a.json")


def test_whole_json(tmp_path: Path):
    (tmp_path / "a.json").write_text('{"a": [1, null, {"b": "\\u00e9"}], "c": -1.5e3}')
    assert read_json(tmp_path / "a.json") == {"a": [1, None, {"b": "é"}], "c": -1500.0}


def test_what_is_no_file_is_not_opened(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "nowhere").symlink_to("missing")
    (tmp_path / "circle").symlink_to("circle")
    listener = socket.socket(socket.AF_UNIX)
    with listener:
        listener.bind(os.path.relpath(tmp_path / "socket"))
        for name, message in {
            "pipe": "pipe is a pipe, not a file",
            "folder": "folder is a folder, not a file",
            "socket": "socket is a socket, not a file",
            "circle": "circle cannot be read: too many levels of symbolic links",
            # Python 3.13 puts the name of its own function before it.
            "null\0": r"null\x00 cannot be read: "
            + "stat: " * (sys.version_info >= (3, 13))
            + "embedded null",
            "a" * 300: "aa cannot be read: file name too long",
        }.items():
            with pytest.raises(FileError) as error:
                read_bytes(tmp_path / name)
            assert message in str(error.value)
            assert "\n" not in str(error.value)
    with pytest.raises(FileError, match="is a device, not a file"):
        check_file("/dev/zero")
    with pytest.raises(FileNotFoundError, match=r"nowhere is a link that leads nowhere$"):
        check_file(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"nosuch is missing$"):
        check_file(tmp_path / "nosuch")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read(tmp_path: Path):
    (tmp_path / "a").write_text("secret")
    (tmp_path / "a").chmod(0)
    with pytest.raises(FileError, match="a cannot be read: permission denied"):
        read_bytes(tmp_path / "a")


def test_names_are_shown_in_one_line():
    assert shown("Kätzchen 猫 7.png") == "Kätzchen 猫 7.png"
    assert shown(os.fsdecode(b"k\xe4tzchen\n.png")) == r"k\xe4tzchen\n.png"
    assert shown("\ud800") == r"\ud800"
    assert shown("a\x1b[31m\u202eb") == r"a\x1b[31m\u202eb"
