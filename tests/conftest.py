"""What holds for every test: quiet libraries, no telemetry, compiled code kept between tests; which run, and what they cost."""

import faulthandler
import os
import resource
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path

import pytest

from tests import figures, selection

ROOT = Path(__file__).parents[1]

os.environ.setdefault("KERAS_BACKEND", "jax")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
# The same small models are compiled again and again, in many processes.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", f"{tempfile.gettempdir()}/gm_keras-tests-jax")
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.3")
for name, value in {
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
}.items():
    os.environ.setdefault(name, value)
# LLVM spares itself half of the work on XLA's machine code; hardly a training here lasts as long as that takes: those
# that do have a process of their own (`learning` in the Makefile). Stages and commands that run as a user's do without.
os.environ["XLA_FLAGS"] = f"--xla_backend_optimization_level=0 {os.environ.get('XLA_FLAGS', '')}"


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the repository."""
    return ROOT


def pytest_ignore_collect(collection_path, config):
    """Spares the imports of files that have nothing to run."""
    is_tests = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return (
        True if is_tests and selection.left_out(collection_path, config.option.markexpr) else None
    )


def pytest_collection_modifyitems(config, items):
    """Leaves out what another backend runs, and what concerns none of the systems that were asked for."""
    for item in items:
        if item.get_closest_marker("backend") and not selection.may_be_of_a_backend(item.path):
            raise pytest.UsageError(
                f'{item.path} has tests of backends: write "mark.backend" in it'
            )
        if selection.system_of(item) and not selection.may_be_of_a_system(item.path):
            raise pytest.UsageError(
                f"{item.path} has tests of a system that its text does not name"
            )
    backend = os.environ["KERAS_BACKEND"]
    kept = [item for item in items if selection.runs_with(item, backend)]
    if chosen := selection.chosen():
        kept = [item for item in kept if selection.system_of(item) in chosen]
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in set(kept)])
        items[:] = kept


_SPENT: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])


def _now() -> tuple[float, float]:
    """CPU seconds of this process and the children that it has waited for, and the clock's."""
    used = map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used), time.monotonic()


def _spend(part: str, start: tuple[float, float]) -> None:
    _SPENT[part] = [
        before + end - begin for before, end, begin in zip(_SPENT[part], _now(), start, strict=True)
    ]


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    start = _now()
    result = yield
    _spend("collection and imports", start)
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    start = _now()
    result = yield
    # No process may grow with the number of its files.
    if nextitem is not None and nextitem.path != item.path and "keras" in sys.modules:
        from tests import systems

        systems.forget()
    system = selection.system_of(item)
    _spend(f"system {system}" if system else item.location[0], start)
    return result


def pytest_sessionfinish(session, exitstatus):
    """For the table of all processes, which `make test` prints at the end."""
    if exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and selection.chosen():
        session.exitstatus = pytest.ExitCode.OK  # none of this kind concerns the chosen systems
    if folder := os.environ.get("GM_KERAS_TEST_FIGURES"):
        marks = session.config.option.markexpr.removesuffix(" and not learns")
        process = marks.replace("backend", os.environ["KERAS_BACKEND"])
        process += f" of {os.environ['SYSTEM'].split(',')[0]}" if os.environ.get("SYSTEM") else ""
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        figures.write(Path(folder), process.replace(" ", "_") or "all", _SPENT, memory)


def pytest_unconfigure():
    """A process that hangs at its end says where, instead of keeping all others waiting."""
    if "keras" in sys.modules:
        faulthandler.dump_traceback_later(300, exit=True)


def pytest_terminal_summary(terminalreporter):
    """Where the time goes, in CPU seconds: other suites and machines make the clock's vary."""
    if sum(cpu for cpu, _ in _SPENT.values()) < 60.0:
        return
    terminalreporter.section("CPU seconds by file and system")
    rows = sorted(_SPENT.items(), key=lambda row: -row[1][0])
    for name, (seconds, _) in rows[:25]:
        terminalreporter.write_line(f"{seconds:8.1f}  {name}")
    terminalreporter.write_line(f"{sum(cpu for cpu, _ in _SPENT.values()):8.1f}  all {len(rows)}")
