"""The stage `prepare` around its sources: what stays when it fails, and how it says so."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from gm_keras.data import PreparedData, writer
from pipelines.prepare import prepare
from pipelines.settings import DataSettings
from pipelines.shared.errors import UserError

SETTINGS = DataSettings(source="folder", path="own.npz")
ROOT = Path(__file__).parents[2]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_a_failure_leaves_what_was_there(make_data, tmp_path: Path):
    data = make_data(x=np.ones((20, 2)))
    before = files(data.path)
    assert len(before) == 4
    with pytest.raises(UserError):
        make_data(x=np.full((20, 2), np.nan))
    assert files(data.path) == before
    make_data(x=np.zeros((30, 2)))
    assert files(data.path) != before
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["own"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk(make_data, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int):
    data = make_data(x=np.ones((20, 2)))
    before = files(data.path)

    def full(*_) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(writer._ArrayFile, "add", full)
    with pytest.raises(UserError) as error:
        prepare("own", SETTINGS, data.path, tmp_path)
    assert "own" in str(error.value)
    assert "\n" not in str(error.value)
    assert files(data.path) == before
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["own"]


def test_a_folder_that_cannot_be_written(tmp_path: Path):
    np.savez(tmp_path / "own.npz", x=np.ones((20, 2)))
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(UserError, match=r"cannot write .*own"):
        prepare("own", SETTINGS, tmp_path / "data" / "own", tmp_path)
    assert (tmp_path / "data").is_file()


def command(tmp_path: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "pipelines.prepare", *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "DVC_ROOT": "", **variables},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )


def test_the_command(tmp_path: Path):
    np.savez(tmp_path / "own.npz", x=np.ones((20, 2)))
    (tmp_path / "params.yaml").write_text(
        "data: {own: {source: folder, path: own.npz}}\n"
        "systems: {vae: {class: vae, data: own, uses: none, model: {latent_dim: 2}, "
        "optimizers: {main: {class: adam}}, fit: {epochs: 1, batch_size: 17}, sample: {}, evaluate: {}}}\n"
    )
    result = command(tmp_path, "own")
    assert result.returncode == 0, result.stderr
    assert "decoding own: 100%" in result.stderr
    assert (
        "note: params.yaml: systems.vae.fit.batch_size is 17, but data.own has 16" in result.stderr
    )
    assert result.stdout == ""
    assert (tmp_path / "data" / "own" / "dataset.json").is_file()


def test_an_unknown_name_and_no_name(tmp_path: Path):
    (tmp_path / "params.yaml").write_text("data: {digits: {}}\nsystems: {}\n")
    result = command(tmp_path, "digitz")
    assert result.returncode == 1
    assert result.stderr == (
        'error: params.yaml has no data set "digitz" under data: did you mean "digits"? '
        "Known: digits\n"
    )
    assert command(tmp_path).returncode == 2


def test_no_network(tmp_path: Path):
    (tmp_path / "params.yaml").write_text("data: {mnist: {}}\nsystems: {}\n")
    nowhere = "http://127.0.0.1:9"  # a proxy that does not answer
    proxies = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), nowhere)
    folders = {"TFDS_DATA_DIR": "built", "GM_KERAS_DOWNLOAD_DIR": "fetched"}
    result = command(tmp_path, "mnist", no_proxy="", NO_PROXY="", **proxies, **folders)
    assert result.returncode == 1
    last = result.stderr.splitlines()[-1]
    for part in ('error: data set "mnist" is not in built', "in fetched", '"digits"'):
        assert part in last
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.slow
def test_a_kill_while_tfds_builds(tmp_path: Path, tfds_folders):
    """What a killed build leaves does not count: the next run does it all again."""
    (tmp_path / "params.yaml").write_text("data: {tiny_shakespeare: {}}\nsystems: {}\n")
    built = tmp_path / "built"
    variables = {
        **tfds_folders,
        "TFDS_DATA_DIR": str(built),
        "DVC_ROOT": "",
        "PYTHONPATH": str(ROOT),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "pipelines.prepare", "tiny_shakespeare"],
        cwd=tmp_path,
        env={**os.environ, **variables},
        stderr=subprocess.DEVNULL,
    )
    while process.poll() is None and not list(built.glob("tiny_shakespeare/incomplete*")):
        time.sleep(0.002)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert list(built.glob("tiny_shakespeare/incomplete*"))
    assert not (tmp_path / "data").exists()
    result = command(tmp_path, "tiny_shakespeare", **variables)
    assert result.returncode == 0, result.stderr
    assert PreparedData(tmp_path / "data" / "tiny_shakespeare").size("train") == 1003854
