"""Files and folders that are damaged or strange: read, or refused in one line; the user's are as they were."""

import io
import os
import socket
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gm_keras.data import PreparedData
from pipelines.prepare import prepare
from pipelines.settings import DataSettings
from pipelines.shared.errors import UserError

Make = Callable[[Path], Path]
RANDOM = np.random.default_rng(16)
IMAGES = RANDOM.integers(0, 256, (14, 6, 6, 3), "uint8")
KINDS = ("png", "jpg", "webp", "bmp", "gif")


def encoded(kind: str, image: np.ndarray = IMAGES[0], **options: object) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, {"jpg": "jpeg"}.get(kind, kind), **options)
    return stream.getvalue()


def pictures(folder: Path, n: int = 12) -> Path:
    folder.mkdir(parents=True)
    for number in range(n):
        (folder / f"{number:02}.png").write_bytes(encoded("png", IMAGES[number]))
    return folder


def with_file(name: str | bytes, content: bytes) -> Make:
    def make(path: Path) -> Path:
        Path(os.fsdecode(os.fsencode(pictures(path)) + b"/" + os.fsencode(name))).write_bytes(
            content
        )
        return path

    return make


def with_entry(create: Callable[[Path], object]) -> Make:
    def make(path: Path) -> Path:
        create(pictures(path) / "strange.png")
        return path

    return make


def file(name: str, content: bytes) -> Make:
    def make(path: Path) -> Path:
        path.mkdir()
        (path / name).write_bytes(content)
        return path / name

    return make


def npz(**arrays: object) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def member(name: str, content: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, content)
    return stream.getvalue()


def header(text: str) -> bytes:
    body = text.encode() + b" " * (118 - len(text)) + b"\n" if len(text) < 118 else text.encode()
    return b"\x93NUMPY\x01\x00" + len(body).to_bytes(2, "little") + body


def damaged(content: bytes) -> bytes:
    """A file with some bytes changed, cut out or put in."""
    content = bytearray(content)
    for _ in range(RANDOM.integers(1, 4)):
        at = int(RANDOM.integers(len(content)))
        wrong = RANDOM.integers(0, 256, RANDOM.integers(1, 9), "uint8").tobytes()
        content[at : at + (len(wrong), 0, 40)[RANDOM.integers(3)]] = wrong
    return bytes(content)


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(path))


def cases() -> Iterator[tuple[str, Make]]:
    for kind in KINDS:
        whole = encoded(kind)
        for keep in (0, 1, 10, len(whole) // 2, len(whole) - 3):
            yield f"{kind} cut to {keep}", with_file(f"zz.{kind}", whole[:keep])
        for number in range(6):
            yield f"{kind} damaged {number}", with_file(f"zz.{kind}", damaged(whole))
    table = RANDOM.normal(size=(20, 3))
    archive = npz(x=table.astype("float32"), y=np.arange(20) % 3)
    small = npz(image=IMAGES[:, :, :, 0], label=np.arange(14) % 2)
    for number in range(20):
        yield f"npz damaged {number}", file("own.npz", damaged((archive, small)[number % 2]))
        yield f"npy damaged {number}", file("own.npy", damaged(npy(table)))
    for keep in (0, 4, 21, 128, 500, len(archive) - 1):
        yield f"npz cut to {keep}", file("own.npz", archive[:keep])
    for name, content in {
        "text": b"hello",
        "an array": npy(table),
        "no arrays": npz(),
        "a text in it": member("x.npy", b"no array at all"),
        "a text without an ending in it": member("notes", b"no array at all"),
        "an array as large as the world": member(
            "x.npy", header("{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000000, 3)}")
        ),
        "a shape below 0": member(
            "x.npy", header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 3)}")
        ),
        "a header of nothing": member("x.npy", header("")),
        "a header that is nested deep": member("x.npy", header("(" * 9000)),
        "a version that does not exist": member("x.npy", b"\x93NUMPY\x09\x00\x00\x00"),
        "objects": npz(x=np.array([{}] * 12, dtype=object)),
        "structures": npz(x=np.zeros(12, "f4,i4")),
        "complex numbers": npz(x=np.zeros((12, 3), complex)),
        "dates": npz(x=np.zeros((12, 3), "datetime64[s]")),
        "no rows": npz(x=np.zeros((0, 3))),
        "a number": npz(x=np.float32(3)),
        "numbers beyond float32": npz(x=np.full((12, 3), 1e300)),
        "labels that are fractions": npz(x=table, y=np.linspace(0, 1, 20)),
        "labels of ten columns": npz(x=table, y=np.zeros((20, 10), int)),
        "labels that are bytes": npz(x=table, y=np.array([b"a"] * 20)),
    }.items():
        yield f"npz: {name}", file("own.npz", content)
    for name, content in {
        "a zip archive": archive,
        "objects": npy(np.array([{}] * 12, dtype=object)),
        "structures": npy(np.zeros(12, "f4,i4")),
        "no rows": npy(np.zeros((0, 3))),
        "large": header("{'descr': '<f4', 'fortran_order': False, 'shape': (4000000000000, 3)}"),
        "code": b"cos\nsystem\n(S'true'\ntR.",
    }.items():
        yield f"npy: {name}", file("own.npy", content)
    for name, content in {
        "empty": b"",
        "short": b"ten or so",
        "Latin-1": "Kätzchen ".encode("latin-1") * 30,
        "UTF-16": ("Kitten " * 30).encode("utf-16"),
        "UTF-16 without a mark": ("Kitten " * 30).encode("utf-16-le"),
        "null": b"kitten\0" * 30,
        "half a character": "ä".encode()[:1] * 50,
        "a surrogate": b"\xed\xa0\x80" * 30,
    }.items():
        yield f"txt: {name}", file("own.txt", content)
    yield "pipe", with_entry(os.mkfifo)
    yield "socket", with_entry(listener)
    yield "device", with_entry(lambda path: path.symlink_to("/dev/zero"))
    yield "link to nothing", with_entry(lambda path: path.symlink_to("nothing"))
    yield "link to itself", with_entry(lambda path: path.symlink_to(path.name))
    yield "page", with_file("page.png", b"<html>not found</html>")
    yield "nothing but an ending", with_file("x.jpeg", b"")
    yield "bomb", with_file("bomb.png", bomb())
    yield "one picture", lambda path: pictures(path, 1)
    yield "nine pictures", lambda path: pictures(path, 9)


def bomb() -> bytes:
    """A small file that says that it is a picture of 60,000 x 60,000 pixels."""
    content = bytearray(encoded("bmp"))
    content[18:26] = (60_000).to_bytes(4, "little") * 2
    return bytes(content)


def everything(path: Path) -> dict[str, object]:
    """Everything below a path, by name: what is in files, where links lead."""
    found = {}
    for folder, names, files in os.walk(path):
        for name in (*names, *files):
            entry = Path(folder, name)
            if entry.is_symlink():
                found[str(entry)] = entry.readlink()
            else:
                found[str(entry)] = entry.read_bytes() if entry.is_file() else entry.stat().st_mode
    return found


@pytest.mark.parametrize("make", [pytest.param(make, id=name) for name, make in cases()])
def test_damage_is_one_line_or_read(tmp_path: Path, make: Make):
    path = make(tmp_path / "mine")
    before = everything(tmp_path / "mine")
    output = tmp_path / "data" / "own"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            prepare("own", DataSettings(source="folder", path=str(path)), output)
        except UserError as error:
            message = str(error)
            assert message.isprintable()
            assert "own" in message
            assert str(path) in message
            assert not (tmp_path / "data").exists() or not any((tmp_path / "data").iterdir())
        else:
            assert PreparedData(output).size("train") > 0
    assert everything(tmp_path / "mine") == before
