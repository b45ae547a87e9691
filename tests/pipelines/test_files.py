"""Output is whole or not there."""

import os
import subprocess

import pytest

from pipelines.shared.errors import UserError
from pipelines.shared.files import read_json, replacing, write_json


def test_a_failure_leaves_what_was_there(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "old").write_text("old")
    with pytest.raises(RuntimeError), replacing(folder) as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("new")
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (folder / "old").read_text() == "old"


def test_success_replaces_the_whole_folder(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "old").write_text("old")
    with replacing(folder) as temporary:
        temporary.mkdir()
        (temporary / "new").write_text("new")
    assert [path.name for path in folder.iterdir()] == ["new"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_folder_is_put_back_when_its_replacement_is_not_there(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "old").write_text("old")
    with pytest.raises(OSError, match="No such file"), replacing(folder):
        pass
    assert (folder / "old").read_text() == "old"


def test_a_full_disk_and_a_locked_folder_get_one_line(tmp_path):
    with pytest.raises(UserError, match="the disk is full"), replacing(tmp_path / "a.txt"):
        raise OSError(28, os.strerror(28))
    with pytest.raises(UserError, match="make its folder writable"), replacing(tmp_path / "a"):
        raise PermissionError(13, os.strerror(13))
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot write"), replacing(tmp_path / "file" / "a"):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_disk_that_is_really_full(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("this machine does not let a test mount a small disk")
    try:
        write_json(disk / "a.json", {"kept": True})
        with pytest.raises(UserError, match="the disk is full"):
            write_json(disk / "a.json", {"long": "x" * 200_000})
        assert read_json(disk / "a.json", "again") == {"kept": True}
        assert [path.name for path in disk.iterdir()] == ["a.json"]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_json_is_the_same_bytes_for_the_same_content(tmp_path):
    write_json(tmp_path / "a.json", {"b": 1, "a": 2})
    write_json(tmp_path / "b.json", {"a": 2, "b": 1})
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_missing_and_damaged_json_name_the_command(tmp_path):
    with pytest.raises(UserError, match="is missing: make it with: dvc repro x"):
        read_json(tmp_path / "a.json", "dvc repro x")
    (tmp_path / "a.json").write_text('{"a": ')
    with pytest.raises(UserError, match="is damaged: make it again with: dvc repro x"):
        read_json(tmp_path / "a.json", "dvc repro x")
