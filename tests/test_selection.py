"""Which tests `make test SYSTEM=...` and `FAMILY=...` run, and the table of what they cost."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from gm_keras.registry import SYSTEMS
from tests import figures, selection


def item(path="tests/models/test_contract.py", marks=(), **parameters):
    markers = {mark.name: mark for mark in marks}
    return SimpleNamespace(
        path=Path(path),
        callspec=SimpleNamespace(params=parameters),
        get_closest_marker=markers.get,
    )


def test_the_system_of_a_test():
    assert selection.system_of(item(name="vae")) == "vae"
    assert selection.system_of(item(name="vae~3")) == "vae"
    assert selection.system_of(item("tests/models/test_rbm.py", rows=3)) == "rbm"
    marked = item("tests/models/test_diffusion_math.py", [pytest.mark.system("ddpm").mark])
    assert selection.system_of(marked) == "ddpm"
    assert selection.system_of(item("tests/data/test_bars.py", name="bars")) is None


def test_what_knows_no_backend_runs_with_one():
    marked = item(marks=[pytest.mark.once("tensorflow").mark])
    assert [selection.runs_with(marked, name) for name in ("jax", "tensorflow")] == [False, True]
    assert selection.runs_with(item(), "jax")
    learning = item(marks=[pytest.mark.learns.mark, pytest.mark.once("tensorflow").mark])
    assert [selection.runs_with(learning, name) for name in ("jax", "tensorflow")] == [True, False]


@pytest.fixture
def chosen(monkeypatch):
    """What the environment's `SYSTEM` and `FAMILY` choose."""

    def choose(**variables):
        selection.chosen.cache_clear()
        for name in ("SYSTEM", "FAMILY"):
            monkeypatch.setenv(name, variables.get(name, ""))
        return selection.chosen()

    yield choose
    selection.chosen.cache_clear()


def test_systems_and_families(chosen):
    assert chosen() == set()
    assert chosen(SYSTEM="vae, rbm") == {"vae", "rbm"}
    assert chosen(FAMILY="gan") == {
        name for name, (family, _) in SYSTEMS.items() if family == "gan"
    }
    assert chosen(FAMILY="gan") >= {"dcgan", "progressive_gan", "wgan_gp"}
    for variables in ({"SYSTEM": "vea"}, {"FAMILY": "vae"}):
        with pytest.raises(pytest.UsageError, match="expected one of"):
            chosen(**variables)


def test_processes_run_every_system_once_and_the_rest(chosen, monkeypatch):
    monkeypatch.setattr(selection, "MOST", {"jax": 2, "tensorflow": 9})
    chosen()
    rest, *parts = selection.parts("jax")
    names = [name for part in parts for name in part.split(",")]
    assert chosen(SYSTEM=rest) == {None}
    assert sorted(names) == sorted(selection.FAMILIES)
    assert max(len(chosen(SYSTEM=part)) for part in parts) == 2
    chosen(SYSTEM="vae, rbm, ddpm")
    assert selection.parts("jax") == ["ddpm,vae", "rbm"]
    chosen(SYSTEM="none")
    assert selection.parts("jax") == ["none"]


def test_the_longest_processes_start_first(chosen, monkeypatch):
    monkeypatch.setattr(selection, "MOST", {"jax": 7, "tensorflow": 2})
    chosen(SYSTEM="none, vae, rbm, ddpm")
    jax, tensorflow = ["jax-of-ddpm,rbm,vae"], ["tensorflow-of-ddpm,vae", "tensorflow-of-rbm"]
    long = ["test-once", "jax-of-none", "tensorflow-of-none"]
    assert selection.goals() == [*long, "learning", *jax, *tensorflow, "torch-trainings"]
    assert selection.goals("tensorflow") == ["tensorflow-of-none", *tensorflow]
    chosen(SYSTEM="rbm")
    quick = ["learning", "jax-of-rbm", "tensorflow-of-rbm", "torch-trainings"]
    assert selection.goals() == ["test-once", *quick]


def test_files_that_have_nothing_to_run_are_not_imported(chosen, tmp_path):
    texts = {
        "test_of_all.py": "pytestmark = pytest.mark.backend\n\n\n@parametrize('name', names())",
        "test_of_one.py": "pytestmark = pytest.mark.backend\n\n\n@parametrize('name', ['vae'])",
        "test_vae.py": "pytestmark = pytest.mark.backend\n\n\n@pytest.mark.learns",
        "test_plain.py": "pytestmark = pytest.mark.backend\nvae = 3",
        "test_once.py": "system = 'vae'",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)

    def left_out(marks):
        return {name for name in texts if selection.left_out(tmp_path / name, marks)}

    chosen()
    assert left_out("not backend and not parity") == set()
    assert left_out("backend and not learns") == {"test_once.py"}
    assert left_out(selection.LEARNING) == set(texts) - {"test_vae.py"}
    chosen(SYSTEM="vae")
    assert left_out("not backend and not parity") == {"test_plain.py"}
    assert left_out("backend") == {"test_once.py", "test_plain.py"}
    chosen(SYSTEM="none")
    assert left_out("backend") == {"test_once.py"}


def test_the_table_adds_up_all_processes(tmp_path):
    figures.write(tmp_path, "jax", {"system vae": (3.0, 4.0), "tests/a.py": (10.0, 11.0)}, 1.5)
    figures.write(tmp_path, "once", {"system rbm": (8.0, 9.0), "system vae": (2.5, 1.0)}, 0.5)
    rows = [line.split(maxsplit=2) for line in figures.table(tmp_path).splitlines()]
    numbers = {row[2]: tuple(map(float, row[:2])) for row in rows[1:-1] if "average" not in row[2]}
    assert numbers["system vae"] == (5.5, 5.0)
    assert numbers["all systems"] == (13.5, 14.0)
    assert numbers["all of the fixed part"] == (10.0, 11.0)
    assert numbers["all; the processes run side by side"] == (23.5, 25.0)
    names = list(numbers)
    assert names.index("system rbm") < names.index("system vae")
    assert "6.8" in figures.table(tmp_path)
    assert figures.table(tmp_path).endswith("jax 1.5, once 0.5")
