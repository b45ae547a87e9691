"""Reading, finding and fetching the weights of the Inception network."""

import hashlib
import http.server
import os
import threading
import zipfile

import numpy as np
import pytest

from gm_keras.metrics.inception import weights
from gm_keras.metrics.inception.checkpoint import CheckpointError, read_checkpoint
from gm_keras.metrics.inception.weights import find_weights
from tests.metrics.torch_checkpoint import (
    Name,
    Numbers,
    Parameter,
    View,
    views,
    write_older,
    write_zip,
)

RNG = np.random.default_rng(0)
FORMATS = pytest.mark.parametrize("write", [write_zip, write_older])
CONTENT = RNG.bytes(3_000_000)


def arrays() -> dict[str, np.ndarray]:
    return {
        "conv.weight": RNG.normal(size=(3, 4, 5, 2)).astype("float32"),
        "bn.running_mean": RNG.normal(size=3),
        "bn.num_batches_tracked": np.array(7),
    }


@FORMATS
def test_tensors_are_read(tmp_path, write):
    written = arrays()
    write(tmp_path / "file.pth", views(written))
    read = read_checkpoint(tmp_path / "file.pth")
    assert list(read) == list(written)
    for name, array in written.items():
        assert read[name].dtype == array.dtype
        np.testing.assert_array_equal(read[name], array)


@FORMATS
def test_views_of_the_same_numbers_are_read(tmp_path, write):
    numbers = np.arange(20, dtype="float32")
    shared = Numbers(numbers, "94089975417008")
    state = {
        "part": Parameter(View(shared, 3, (2, 4), (4, 1))),
        "transposed": View(shared, 0, (4, 5), (1, 4)),
        "again": View(shared, 0, (3,), (0,)),
    }
    write(tmp_path / "file.pth", state)
    read = read_checkpoint(tmp_path / "file.pth")
    np.testing.assert_array_equal(read["part"], numbers[3:11].reshape(2, 4))
    np.testing.assert_array_equal(read["transposed"], numbers.reshape(5, 4).T)
    np.testing.assert_array_equal(read["again"], [0.0, 0.0, 0.0])


@pytest.mark.parametrize("newer", [True, False])
def test_files_that_pytorch_wrote_are_read(tmp_path, newer):
    torch = pytest.importorskip("torch")
    module = torch.nn.Sequential(torch.nn.Conv2d(3, 5, 3), torch.nn.BatchNorm2d(5))
    state = module.state_dict()
    state["permuted"] = torch.randn(2, 3, 4).permute(2, 0, 1)
    state["parameter"] = torch.nn.Parameter(torch.randn(4))
    torch.save(state, tmp_path / "file.pth", _use_new_zipfile_serialization=newer)
    read = read_checkpoint(tmp_path / "file.pth")
    assert list(read) == list(state)
    for name, tensor in state.items():
        np.testing.assert_array_equal(read[name], tensor.detach().numpy())


@FORMATS
@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("os", "system"),
        ("posix", "system"),
        ("builtins", "eval"),
        ("torch", "load"),
        ("torch", "os.system"),
        ("torch._utils", "_rebuild_tensor_v2.__globals__"),
        ("collections", "namedtuple"),
        ("numpy", "load"),
    ],
)
def test_a_pickle_that_asks_for_code_is_refused_before_it_runs(tmp_path, write, module, name):
    mark = tmp_path / "mark"
    state = views(arrays())
    state["evil"] = Name(module, name, f"touch {mark}")
    write(tmp_path / "file.pth", state)
    with pytest.raises(CheckpointError, match=f"asks for {module}.{name}"):
        read_checkpoint(tmp_path / "file.pth")
    assert not mark.exists()


@FORMATS
def test_a_file_that_is_cut_short_is_refused(tmp_path, write):
    path = tmp_path / "file.pth"
    write(path, views(arrays()))
    whole = path.read_bytes()
    for length in range(0, len(whole), 41):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            read_checkpoint(path)


def test_damaged_numbers_in_an_archive_are_noticed(tmp_path):
    path = tmp_path / "file.pth"
    written = arrays()
    write_zip(path, views(written))
    whole, numbers = path.read_bytes(), written["conv.weight"].tobytes()
    path.write_bytes(whole.replace(numbers, numbers[:-1] + bytes([numbers[-1] ^ 1])))
    with pytest.raises(CheckpointError, match="damaged"):
        read_checkpoint(path)


@pytest.mark.parametrize("content", [b"", b"<html>Not found</html>", RNG.bytes(1000)])
def test_what_is_no_checkpoint_is_refused(tmp_path, content):
    path = tmp_path / "file.pth"
    path.write_bytes(content)
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


def test_other_archives_are_refused(tmp_path):
    path = tmp_path / "file.npz"
    np.savez(path, **arrays())
    with pytest.raises(CheckpointError, match="no checkpoint"):
        read_checkpoint(path)
    # 100 KB that would become 100 MB.
    bomb = {"x": np.zeros(25_000_000, "float32")}
    write_zip(path, views(bomb), compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(CheckpointError, match="compressed"):
        read_checkpoint(path)


@FORMATS
@pytest.mark.parametrize("state", [[1.0, 2.0], {"x": 1.0}, None])
def test_other_content_is_refused(tmp_path, write, state):
    write(tmp_path / "file.pth", state)
    with pytest.raises(CheckpointError, match="dictionary of tensors"):
        read_checkpoint(tmp_path / "file.pth")


@FORMATS
@pytest.mark.parametrize(
    ("offset", "shape", "strides"),
    [
        (0, (11,), (1,)),
        (1, (10,), (1,)),
        (-1, (4,), (1,)),
        (9, (4,), (-1,)),
        (0, (2, 5), (6, 1)),
        (0, (10**12,), (0,)),
        (0, (2, 2), (1,)),
        (0, ("2",), (1,)),
    ],
)
def test_tensors_that_reach_beyond_their_numbers_are_refused(
    tmp_path, write, offset, shape, strides
):
    numbers = Numbers(np.arange(10, dtype="float32"), "0")
    write(tmp_path / "file.pth", {"x": View(numbers, offset, shape, strides)})
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "file.pth")


@FORMATS
def test_a_file_of_a_big_endian_machine_is_refused(tmp_path, write):
    write(tmp_path / "file.pth", views(arrays()), byteorder="big")
    with pytest.raises(CheckpointError, match="big-endian"):
        read_checkpoint(tmp_path / "file.pth")


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves what its server is told to."""

    def do_GET(self):
        self.server.asked += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        self.wfile.write(self.server.content)

    def log_message(self, *_):
        """Keeps the tests quiet."""


@pytest.fixture(autouse=True)
def server(tmp_path, monkeypatch):
    """An address for the weights, and an empty cache."""
    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.status, server.content, server.asked = 200, CONTENT, 0
        monkeypatch.setattr(weights, "ADDRESS", f"http://127.0.0.1:{server.server_port}/file.pth")
        monkeypatch.setattr(weights, "SHA256", hashlib.sha256(CONTENT).hexdigest())
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        monkeypatch.delenv("GM_KERAS_INCEPTION", raising=False)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def cached(tmp_path) -> list[str]:
    folder = tmp_path / "cache" / "gm_keras"
    return sorted(each.name for each in folder.glob("*"))


def one_line(error) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_weights_are_downloaded_once(tmp_path, server):
    first = find_weights()
    assert first == (
        tmp_path / "cache" / "gm_keras" / "pt_inception-2015-12-05-6726825d.pth",
        hashlib.sha256(CONTENT).hexdigest(),
    )
    assert first[0].read_bytes() == CONTENT
    assert cached(tmp_path) == [first[0].name]
    assert find_weights() == first
    assert server.asked == 1


@pytest.mark.parametrize(
    ("status", "content", "reason"),
    [
        (404, CONTENT, "answered 404"),
        (200, CONTENT[:-1] + b"?", "SHA-256 begins with"),
        (200, CONTENT[:1000], "broke off"),
    ],
)
def test_a_download_that_fails_leaves_nothing(tmp_path, server, status, content, reason):
    server.status, server.content = status, content
    with pytest.raises(ValueError, match=reason) as error:
        find_weights()
    assert weights.ADDRESS in one_line(error)
    assert cached(tmp_path) == []


def test_without_a_network_one_line_says_what_to_do(tmp_path, monkeypatch):
    # A port on which nothing listens.
    address = "http://127.0.0.1:9/file.pth"
    monkeypatch.setattr(weights, "ADDRESS", address)
    with pytest.raises(ValueError, match="9 cannot be reached") as error:
        find_weights()
    target = tmp_path / "cache" / "gm_keras" / "pt_inception-2015-12-05-6726825d.pth"
    for part in (address, str(target), "GM_KERAS_INCEPTION"):
        assert part in one_line(error)
    assert cached(tmp_path) == []


def test_a_damaged_cache_is_told():
    path, _ = find_weights()
    path.write_bytes(CONTENT[:-1])
    with pytest.raises(ValueError, match=r"is damaged .* remove it") as error:
        find_weights()
    assert str(path) in one_line(error)


def test_a_cache_that_cannot_be_written_is_told(tmp_path):
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(ValueError, match="cannot write") as error:
        find_weights()
    assert "GM_KERAS_INCEPTION" in one_line(error)


def test_a_named_file_goes_before_the_environment_and_that_before_the_cache(
    tmp_path, server, monkeypatch
):
    named, other = tmp_path / "named.pth", tmp_path / "other.pth"
    named.write_bytes(b"named")
    other.write_bytes(b"other")
    monkeypatch.setenv("GM_KERAS_INCEPTION", str(other))
    assert find_weights() == (other, hashlib.sha256(b"other").hexdigest())
    assert find_weights(named) == (named, hashlib.sha256(b"named").hexdigest())
    assert server.asked == 0


@pytest.mark.parametrize("name", ["missing.pth", ".", "pipe.pth"])
def test_a_named_file_that_cannot_be_read_is_told(tmp_path, server, name):
    os.mkfifo(tmp_path / "pipe.pth")
    with pytest.raises(ValueError, match="cannot be read from") as error:
        find_weights(tmp_path / name)
    assert str(tmp_path / name) in one_line(error)
    assert server.asked == 0
