"""Text as a stream of tokens."""

from pathlib import Path

import numpy as np
import pytest

from gm_keras.data import PreparedData
from pipelines.prepare import prepare
from pipelines.settings import DataSettings
from pipelines.shared.errors import UserError
from tests.data.conftest import SHARED

LINE = "Straße, naïve — 12 Äpfel\n"


def prepared(folder: Path, content: str | bytes, **options) -> PreparedData:
    content = content.encode() if isinstance(content, str) else content
    (folder / "my.txt").write_bytes(content)
    settings = DataSettings(source="folder", path="my.txt", **options)
    prepare("own", settings, folder / "own", folder)
    return PreparedData(folder / "own")


def joined(data: PreparedData) -> np.ndarray:
    return np.concatenate([data.arrays(split)["tokens"] for split in data.info["splits"]])


def test_characters_of_a_file_of_the_user(tmp_path: Path):
    data = prepared(tmp_path, LINE * 8, validation=0.2, test=0.1)
    assert (data.primary, data.stream, data.example_shape) == ("tokens", True, ())
    assert data.vocabulary == "".join(sorted(set(LINE)))
    assert data.levels == data.levels_of("tokens") == len(set(LINE))
    assert data.num_classes is None
    # In the order of the text, the splits one after the other.
    assert "".join(data.vocabulary[token] for token in joined(data)) == LINE * 8
    assert data.info["splits"] == {"train": 140, "validation": 40, "test": 20}
    assert data.arrays("train")["tokens"].dtype == np.uint8
    assert data.size("train") == 140
    assert data.info["source"] == "folder:my.txt"
    first = data.scaled("train", indices=slice(0, 25))
    assert first.dtype == np.int32
    assert "".join(data.vocabulary[token] for token in first) == LINE


def test_bytes_of_any_file(tmp_path: Path):
    content = bytes(range(256)) * 3
    data = prepared(tmp_path, content, level="bytes")
    assert (data.vocabulary, data.levels) == ("bytes", 256)
    assert joined(data).tobytes() == content
    windows = data.windows("test", 5)
    assert (windows.dtype, windows.shape) == (np.int32, (19, 5))


def test_many_characters_take_two_bytes(tmp_path: Path):
    data = prepared(tmp_path, "".join(map(chr, range(0x4E00, 0x4E00 + 300))) * 4)
    assert (data.levels, data.arrays("train")["tokens"].dtype) == (300, np.uint16)
    assert data.windows("train", 2)[299:].max() == 299


def test_a_byte_order_mark_and_line_ends(tmp_path: Path):
    data = prepared(tmp_path, b"\xef\xbb\xbf" + b"ab\r\n" * 20)
    assert data.vocabulary == "\n\rab"


def test_the_same_text_gives_the_same_bytes(tmp_path: Path):
    first = prepared(tmp_path, LINE * 8)
    before = {file.name: file.read_bytes() for file in first.path.iterdir()}
    again = prepared(tmp_path, LINE * 8)
    assert {file.name: file.read_bytes() for file in again.path.iterdir()} == before


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (b"caf\xe9 " * 9, {}, r"my.txt \(train\) is not UTF-8: byte 3 is 0xe9; .*level: bytes"),
        ("ab" * 50 + "é", {}, r"test has a character that .*'é' \(U\+00E9\), at position 9.*level"),
        ("ab\n" * 3, {}, "7 of 9 tokens to train on are too few: at least 10"),
        ("", {"level": "bytes"}, "too few"),
        ("ab" * 50, {"image_size": 4}, "data.own.image_size is for images; remove it"),
        ("ab" * 50, {"pairs": "edges"}, "data.own.pairs is for images; remove it"),
        ("ab" * 50, {"length": 4}, "data.own.length is for audio; remove it"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, content: str | bytes, options: dict, message: str):
    with pytest.raises(UserError, match=message) as error:
        prepared(tmp_path, content, **options)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "own").exists()


def test_a_level_without_a_text(tmp_path: Path, make_data):
    with pytest.raises(UserError, match=r"data\.own\.level is for texts; remove it"):
        prepare("own", DataSettings(path="digits", level="bytes"), tmp_path / "own")
    assert make_data(x=np.ones((20, 2))).stream is False


def test_a_token_beyond_the_vocabulary(tmp_path: Path):
    data = prepared(tmp_path, "ab" * 50)
    np.save(data.path / "test_tokens.npy", np.full(10, 2, "uint8"))
    with pytest.raises(ValueError, match="a token of test is outside 0 to 1; prepare it"):
        PreparedData(data.path).windows("test", 3)


def test_windows_are_for_streams(make_data):
    data = make_data(tokens=np.arange(60).reshape(20, 3) % 7)
    assert (data.stream, data.vocabulary, data.levels) == (False, None, 7)
    with pytest.raises(ValueError, match="no stream of tokens: it has no windows"):
        data.windows("train", 2)


def test_a_text_of_tfds(tmp_path: Path, tfds_folders, monkeypatch):
    for variable, value in tfds_folders.items():
        monkeypatch.setenv(variable, value)
    prepare("tiny_shakespeare", DataSettings(), tmp_path / "ts")
    data = PreparedData(tmp_path / "ts")
    assert data.info["splits"] == {"train": 1003854, "validation": 55770, "test": 55770}
    assert (data.levels, data.vocabulary[:3]) == (65, "\n !")
    codes = np.array([ord(letter) for letter in data.vocabulary], "uint8")
    text = (SHARED / "tiny_shakespeare" / "input.txt").read_bytes()
    assert codes[joined(data)].tobytes() == text
    prepare("b", DataSettings(path="tiny_shakespeare", level="bytes"), tmp_path / "b")
    assert joined(PreparedData(tmp_path / "b")).tobytes() == text
    with pytest.raises(UserError, match="image_size does not go with data set"):
        prepare("b", DataSettings(path="tiny_shakespeare", image_size=4), tmp_path / "b")
