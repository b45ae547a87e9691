"""What holds for every test: quiet libraries, no telemetry, compiled code kept between tests."""

import os
import resource
import tempfile
from collections import Counter
from pathlib import Path

import pytest

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
# LLVM spares itself half of the work on XLA's machine code; no training here lasts as long as that takes. Stages
# and commands that run as a user's do without.
os.environ["XLA_FLAGS"] = f"--xla_backend_optimization_level=0 {os.environ.get('XLA_FLAGS', '')}"


@pytest.fixture(scope="session")
def root() -> Path:
    """The folder of the repository."""
    return ROOT


_SPENT: Counter[str] = Counter()


def _cpu_seconds() -> float:
    """What this process and the children that it has waited for have used."""
    return sum(
        used.ru_utime + used.ru_stime
        for used in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    start = _cpu_seconds()
    result = yield
    _SPENT["collection and imports"] += _cpu_seconds() - start
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item):
    start = _cpu_seconds()
    result = yield
    _SPENT[item.location[0]] += _cpu_seconds() - start
    return result


def pytest_terminal_summary(terminalreporter):
    """Where the time goes, in CPU seconds: other suites and machines make the clock's vary."""
    if sum(_SPENT.values()) < 60.0:
        return
    terminalreporter.section("CPU seconds by file")
    for name, seconds in _SPENT.most_common(25):
        terminalreporter.write_line(f"{seconds:8.1f}  {name}")
    terminalreporter.write_line(f"{sum(_SPENT.values()):8.1f}  all {len(_SPENT)}")
