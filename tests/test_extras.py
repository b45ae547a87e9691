"""What is declared is what is imported, and what is not installed is told in one line."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from gm_keras import default_backend, extras
from pipelines import export
from pipelines.settings import Settings, SystemSettings
from pipelines.shared import errors

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
OURS = {"gm_keras", "pipelines", "flows", "tests", "benchmarks"}
#: Distributions that have another name than their module.
NAMES = {"PIL": "pillow", "sklearn": "scikit-learn", "ruamel": "ruamel-yaml"}
#: TensorFlow has two distributions, one of which is for processors alone.
SAME = {"tensorflow-cpu": "tensorflow"}
#: What an extra holds for others to import or to call, and no module of ours does.
NOT_IMPORTED = {
    "pipeline": {"dvc", "filelock", "pyarrow", "sqlalchemy"},
    "tfds": {"audioop-lts", "importlib-resources", "pydub", "tensorflow"},
    "export": {"tensorflow"},
    "native": {"onednn-cpu-gomp"},
    "dev": {"import-linter", "pytest-timeout", "ruff"},
}
#: The modules that may import an extra, by the beginning of their path; all others have `EVERYWHERE`.
PLACES = {
    "gm_keras/backend/tensorflow.py": "tensorflow",
    "gm_keras/backend/torch.py": "torch",
    "gm_keras/backend/native/": "native",
    "gm_keras/backend/intrinsics.py": "native",
    "gm_keras/backend/numba_kernels.py": "native",
    "gm_keras/data/tables/": "tables",
    "gm_keras/data/tfds.py": "tfds",
    "pipelines/exports/networks.py": "export",
    "pipelines/exports/onnx_files.py": "export",
}
EVERYWHERE = {"gm_keras": [], "pipelines": ["pipeline"], "flows": ["pipeline"]}


def requirements(extra: str | None) -> list[Requirement]:
    """What an extra names, those of the extras that it holds included; None stands for the library alone."""
    lines = PROJECT["dependencies"] if extra is None else PROJECT["optional-dependencies"][extra]
    found = []
    for each in map(Requirement, lines):
        if each.name == PROJECT["name"]:
            found += [inner for name in each.extras for inner in requirements(name)]
        else:
            found.append(each)
    return found


def declared(*names: str | None) -> set[str]:
    found = {canonicalize_name(each.name) for name in names for each in requirements(name)}
    return {SAME.get(name, name) for name in found}


@cache
def imported(path: Path) -> set[str]:
    """The distributions that a file imports, wherever in it."""
    modules: set[str] = set()
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            modules.add(node.module)
    tops = {name.split(".")[0] for name in modules} - OURS - sys.stdlib_module_names
    return {canonicalize_name(NAMES.get(top, top)) for top in tops}


def files(package: str) -> dict[str, Path]:
    return {
        path.relative_to(ROOT).as_posix(): path for path in sorted((ROOT / package).rglob("*.py"))
    }


def place(name: str) -> str | None:
    return next((extra for start, extra in PLACES.items() if name.startswith(start)), None)


@pytest.mark.parametrize("package", EVERYWHERE)
def test_no_module_imports_what_its_installation_may_lack(package):
    for name, path in files(package).items():
        own = [place(name)] if place(name) else []
        missing = imported(path) - declared(None, *EVERYWHERE[package], *own)
        assert not missing, f"{name} imports {missing}, which pyproject.toml does not declare there"


def test_the_tests_import_what_make_installs():
    for name, path in files("tests").items():
        missing = imported(path) - declared(None, *locked(), "torch")
        assert not missing, f"{name} imports {missing}, which no extra declares"


def test_nothing_is_declared_that_nothing_needs():
    used: dict[str | None, set[str]] = {}
    for package, (everywhere, *_) in {"gm_keras": [None], "pipelines": ["pipeline"]}.items():
        for name, path in files(package).items():
            used.setdefault(place(name) or everywhere, set()).update(imported(path))
    for path in files("flows").values():
        used["pipeline"] |= imported(path)
    used["dev"] = set().union(*(imported(path) for path in files("tests").values()))
    for extra in (None, "pipeline", "tables", "tfds", "export", "native", "dev"):
        idle = declared(extra) - used[extra] - NOT_IMPORTED.get(extra, set())
        assert not idle, f"{extra or 'dependencies'} of pyproject.toml: nothing imports {idle}"


def test_the_table_of_extras_is_that_of_the_project():
    quiet = {"dev", "native", "cuda-jax", "cuda-tensorflow"}
    assert set(extras.EXTRAS) == set(PROJECT["optional-dependencies"]) - quiet
    for extra, (_, modules) in extras.EXTRAS.items():
        tops = {canonicalize_name(module) for module in modules}
        assert tops <= declared(extra), extra
    assert "jax" in declared(None), "the first of extras.BACKENDS is that of a plain installation"


def locked() -> list[str]:
    """The extras that the locks hold, as `make lock` names them."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    return re.search(r"^LOCKED := (.*)$", makefile, flags=re.MULTILINE)[1].split()


def test_make_installs_every_extra_but_those_of_other_machines():
    others = {"torch", "cuda-jax", "cuda-tensorflow"}
    assert set(locked()) == set(PROJECT["optional-dependencies"]) - others


@pytest.mark.parametrize(
    "lock", sorted((ROOT / "requirements").glob("*.lock")), ids=lambda p: p.stem
)
def test_a_lock_holds_what_is_declared(lock):
    pins = dict(re.findall(r"^([\w.-]+)==([^\s;]+)", lock.read_text(), flags=re.MULTILINE))
    pins = {canonicalize_name(name): Version(version) for name, version in pins.items()}
    machine = {
        "python_version": lock.stem,
        "sys_platform": "linux",
        "platform_machine": "x86_64",
    }
    wanted = [each for extra in (None, *locked()) for each in requirements(extra)]
    wanted = [each for each in wanted if each.marker is None or each.marker.evaluate(machine)]
    assert len(wanted) > 30
    for each in wanted:
        assert pins.get(canonicalize_name(each.name)) in each.specifier, f"{each}: run make lock"


def test_the_names_of_what_is_missing(monkeypatch):
    extras.need("jax")
    lacking(monkeypatch, "mlflow", "prefect", "dvc")
    line = r'^the pipeline needs dvc, mlflow and prefect, which are not installed: pip install "gm_keras\[pipeline\]"$'
    with pytest.raises(extras.MissingExtraError, match=line):
        extras.need("pipeline")
    lacking(monkeypatch, "typer", "grimp")
    with pytest.raises(
        extras.MissingExtraError, match="needs dvc, mlflow, prefect and 2 more, which"
    ):
        extras.need("pipeline")
    line = r'^reading data sets of TFDS needs tensorflow_datasets, which is not installed: pip install "gm_keras\[tfds\]"$'
    lacking(monkeypatch, "tensorflow_datasets")
    with pytest.raises(ModuleNotFoundError, match=line):
        extras.need("tfds")
    assert not extras.installed("tensorflow_datasets.core")


def lacking(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    """Has modules that are installed seem not to be."""
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
        for name in [each for each in sys.modules if each.startswith(f"{module}.")]:
            monkeypatch.delitem(sys.modules, name)


def ended(module: str, *arguments: str, without: Iterable[str]) -> tuple[int, str, str]:
    """Runs a module as `python -m` does, where some packages are not installed."""
    code = (
        f"import runpy, sys; sys.argv = {['program', *arguments]!r}\n"
        f"sys.modules.update(dict.fromkeys({list(without)!r}))\n"
        f"runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("module", "missing"),
    [
        ("pipelines.command.cli", "typer"),
        ("pipelines.train", "mlflow"),
        ("flows.train", "prefect"),
        ("flows.retrain", "prefect"),
    ],
)
def test_a_program_without_the_pipelines_packages(module, missing):
    line = f'error: the pipeline needs {missing}, which is not installed: pip install "gm_keras[pipeline]"\n'
    assert ended(module, "vae", without=[missing]) == (1, "", line)


def test_a_program_tells_what_a_part_of_it_lacks(monkeypatch, tmp_path, capsys):
    lacking(monkeypatch, "tf2onnx")
    settings = Settings.model_construct(systems={"vae": SystemSettings.model_construct()})
    with pytest.raises(SystemExit):
        errors.main(lambda: export.run("vae", settings, tmp_path))
    line = (
        'error: an export needs tf2onnx, which is not installed: pip install "gm_keras[export]"\n'
    )
    assert capsys.readouterr().err == line


@pytest.fixture
def home(monkeypatch, tmp_path):
    """Nobody has named a backend; the folder of Keras' own file."""
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


def chosen(monkeypatch: pytest.MonkeyPatch, *there: str) -> str | None:
    """What the environment names after the choice, where some backends are installed."""
    monkeypatch.setattr(extras, "installed", lambda module: module in there)
    with monkeypatch.context() as patch:
        patch.setattr(default_backend.os, "environ", dict(default_backend.os.environ))
        default_backend.choose()
        return default_backend.os.environ.get("KERAS_BACKEND")


def test_keras_takes_a_backend_that_is_installed(monkeypatch, home):
    assert chosen(monkeypatch, "jax", "tensorflow") is None, "Keras takes its own by itself"
    assert chosen(monkeypatch, "jax", "torch") == "jax"
    assert chosen(monkeypatch, "torch") == "torch"
    (home / "keras.json").write_text('{"backend": "tensorflow"}')
    assert chosen(monkeypatch, "torch") == "torch", "Keras writes its own into the file"
    (home / "keras.json").write_text("[")
    assert chosen(monkeypatch, "torch") == "torch"
    (home / "keras.json").write_text('{"backend": "torch"}')
    assert chosen(monkeypatch, "torch", "jax") is None
    monkeypatch.setenv("KERAS_BACKEND", "tensorflow")
    assert chosen(monkeypatch, "tensorflow") == "tensorflow"
    monkeypatch.setenv("KERAS_BACKEND", "numpy")
    assert chosen(monkeypatch) == "numpy", "what it says of that one is Keras' business"


def test_a_backend_that_somebody_named_and_that_is_missing(monkeypatch, home):
    end = r' is torch, which is not installed: pip install "gm_keras\[torch\]"$'
    (home / "keras.json").write_text('{"backend": "torch"}')
    with pytest.raises(ImportError, match=f"^backend in {re.escape(str(home))}/keras.json{end}"):
        chosen(monkeypatch, "jax")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    with pytest.raises(ImportError, match=f"^KERAS_BACKEND{end}"):
        chosen(monkeypatch, "jax")
    monkeypatch.delenv("KERAS_BACKEND")
    with pytest.raises(ImportError, match=f"^params.yaml: backend{end}"):
        Settings.model_construct(backend="torch").choose_backend()
    assert "KERAS_BACKEND" not in os.environ
    (home / "keras.json").unlink()
    with pytest.raises(ImportError, match=r"and none is installed: pip install"):
        chosen(monkeypatch)


def test_the_choice_is_made_just_before_keras_is_imported(home):
    # A stand-in: what Keras itself reads as soon as it is imported is this variable.
    (home / "keras.py").write_text(
        "import os\nprint(os.environ.get('KERAS_BACKEND'))\n"
        "class saving:\n    get_custom_objects = dict\n"
    )
    code = (
        f"import sys; sys.path.insert(0, {str(home)!r}); sys.modules['tensorflow'] = None\n"
        "import os, gm_keras\nprint('KERAS_BACKEND' in os.environ)\nimport keras"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert (done.stdout, done.stderr) == ("False\njax\n", "")
