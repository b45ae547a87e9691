"""The benchmarks themselves: a race is fair, and what comes out of it is kept and shown."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import cases, machine, race, rows, table
from benchmarks.race import BenchmarkError, Contender

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def this_python(monkeypatch):
    monkeypatch.setattr(race, "OURS", Path(sys.executable))


def contender(name, **arguments):
    return Contender(f"tests.benchmarks.contenders:{name}", arguments)


def raced(rounds=4, **contenders):
    return race.race(contenders, rounds=rounds, seconds=0.05)


def test_the_ratio_is_that_of_the_times():
    results = raced(ours=contender("Honest"), theirs=contender("Honest", seconds=0.008))
    row = rows.compared("train", "a jax", "b", results["ours"], results["theirs"])
    assert 2.0 < row.ratio < 5.0
    assert row.low <= row.ratio <= row.high
    assert 1.9 < row.ours < row.theirs


def test_a_smaller_model_does_not_pass():
    with pytest.raises(BenchmarkError, match="not the same parameters"):
        raced(ours=contender("Honest", parameters=9), theirs=contender("Honest"))


def test_fewer_steps_do_not_pass():
    with pytest.raises(BenchmarkError, match=r"was asked for \d+ units and did \d+"):
        raced(ours=contender("Lazy"), theirs=contender("Honest"))


def test_a_failure_is_told_by_name():
    with pytest.raises(BenchmarkError, match="Broken ended"):
        raced(ours=contender("Broken"), theirs=contender("Honest"))


def test_a_missing_environment_says_how_to_make_it(monkeypatch):
    monkeypatch.setattr(race, "PEERS", Path("nowhere"))
    with pytest.raises(BenchmarkError, match="make bench-peers"):
        raced(ours=Contender("tests.benchmarks.contenders:Honest", {}, peers=True))


def test_rows_are_kept_replaced_and_shown(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "FOLDER", tmp_path)
    monkeypatch.setattr(table, "FOLDER", tmp_path)
    monkeypatch.setattr(table, "PAGE", tmp_path / "RESULTS.md")

    def row(name, ratio):
        return rows.Row("train", name, "pytorch", 2.0, 2.0 * ratio, ratio, ratio, ratio)

    rows.write("train", [row("vae jax", 1.0), row("rbm jax", 4.0)])
    rows.write("train", [row("vae jax", 2.25)])
    kept = json.loads((tmp_path / "train.json").read_text())
    assert {each["name"]: each["ratio"] for each in kept["rows"]} == {
        "rbm jax": 4.0,
        "vae jax": 2.25,
    }
    assert set(kept["machines"]) == {each["machine"] for each in kept["rows"]}
    table.write()
    page = (tmp_path / "RESULTS.md").read_text()
    assert "| rbm jax | pytorch |" in page
    assert "geometric mean 3.00, lowest 2.25, of 2" in page


def test_rows_of_another_processor_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(rows, "FOLDER", tmp_path)
    monkeypatch.setattr(table, "FOLDER", tmp_path)
    monkeypatch.setattr(table, "PAGE", tmp_path / "RESULTS.md")
    described = machine.describe()
    for name, processor, ratio in (("a", "Old", 1.5), ("b", "New", 3.0), ("c", "New", 4.0)):
        facts = {**described, "id": name, "processor": processor}
        monkeypatch.setattr(machine, "describe", lambda facts=facts: facts)
        rows.write(
            "train", [rows.Row("train", "vae jax", "pytorch", 2.0, 2.0, ratio, ratio, ratio)]
        )
    kept = json.loads((tmp_path / "train.json").read_text())
    assert {each["machine"]: each["ratio"] for each in kept["rows"]} == {"a": 1.5, "c": 4.0}
    table.write()
    old, new = (tmp_path / "RESULTS.md").read_text().split("On Old, ")[1].split("On New, ")
    assert "geometric mean 1.50, lowest 1.50, of 1" in old
    assert "geometric mean 4.00, lowest 4.00, of 1" in new


def test_systems_are_measured_as_their_recipes_say(tmp_path, monkeypatch):
    from gm_keras import registry

    monkeypatch.setattr(cases, "DATA", tmp_path)
    peers = {path.stem for path in Path(ROOT, "benchmarks", "peers").glob("*.py")}
    # Every system with a PyTorch of its own.
    assert peers & set(registry.names()) <= set(cases.SYSTEMS)
    for name in cases.SYSTEMS:
        case = cases.case(name, examples=64)
        assert all(Path(path).exists() for path in case["fields"].values())
        assert Path(ROOT, "benchmarks", "peers", f"{case['system']}.py").exists(), name


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("torch") is None, reason="PyTorch is not installed")
@pytest.mark.parametrize(
    "command",
    [
        [
            "benchmarks",
            "train",
            "--only",
            "helmholtz_machine",
            "--rounds",
            "2",
            "--seconds",
            "0.05",
        ],
        ["benchmarks.gpu", "--cpu", "--only", "modulated_block_128"],
    ],
)
def test_a_comparison_runs_as_a_toy(command):
    environment = {
        **os.environ,
        "BENCHMARK_OURS": sys.executable,
        "BENCHMARK_PEERS": sys.executable,
        "KERAS_BACKEND": "jax",
        # What torch.compile makes is C++, and a toy's is compiled longer than all else takes.
        "TORCHDYNAMO_DISABLE": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", *command, "--toy"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "ratio" in done.stdout
