"""`python -m benchmarks`: what fails or is stopped loses nothing that was measured."""

import json

import pytest

from benchmarks import __main__ as command
from benchmarks import rows, table
from benchmarks.groups import memory
from benchmarks.race import BenchmarkError, Result

FACTS = dict.fromkeys(("peak", "anonymous", "imported", "parameters", "done"), 1e9)


@pytest.fixture
def measured(tmp_path, monkeypatch):
    """Runs the group `memory` on three systems; what each does is given, and the names of the rows come back."""
    monkeypatch.setattr(rows, "FOLDER", tmp_path)
    monkeypatch.setattr(table, "FOLDER", tmp_path)
    monkeypatch.setattr(table, "PAGE", tmp_path / "RESULTS.md")

    def run(peaks, *names):
        monkeypatch.setattr(memory, "_peaks", peaks)
        monkeypatch.setattr("sys.argv", ["benchmarks", "memory", "--only", *names])
        code = command.main()
        path = tmp_path / "memory.json"
        kept = json.loads(path.read_text())["rows"] if path.exists() else []
        return code, [row["name"] for row in kept]

    return run


def peaks(name):
    del name
    return {who: Result([1.0], 1.0, FACTS) for who in ("jax", "pytorch")}


def test_rows_are_written(measured):
    assert measured(peaks, "vae", "rbm") == (0, ["vae jax", "rbm jax"])


def test_one_failure_lets_the_rest_go_on(measured, capsys):
    def failing(name):
        if name == "rbm":
            raise BenchmarkError("not the same parameters")
        return peaks(name)

    assert measured(failing, "vae", "rbm", "dcgan") == (1, ["vae jax", "dcgan jax"])
    assert "error: rbm: not the same parameters" in capsys.readouterr().err


def test_ctrl_c_keeps_what_was_measured(measured, capsys):
    def stopped(name):
        if name == "dcgan":
            raise KeyboardInterrupt
        return peaks(name)

    assert measured(stopped, "vae", "dcgan", "rbm") == (130, ["vae jax"])
    assert "what was measured before is written" in capsys.readouterr().err


def test_a_name_that_nothing_has_is_an_error(measured, capsys):
    assert measured(peaks, "vaee") == (1, [])
    assert "error: nothing is called vaee" in capsys.readouterr().err
