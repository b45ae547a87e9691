"""What an installation may lack: the extras of `pyproject.toml`, each told in one line with the command that installs it.

Nothing is imported to find out, so that the answer takes a fraction of a second.
"""

import importlib.util
import sys
from collections.abc import Sequence

#: For each extra, what it is for, and the modules without which it is not there. A test holds them to `pyproject.toml`.
EXTRAS: dict[str, tuple[str, tuple[str, ...]]] = {
    "pipeline": (
        "the pipeline",
        ("dvc", "mlflow", "prefect", "typer", "ruamel.yaml", "jinja2", "grimp", "platformdirs"),
    ),
    "tables": ("reading tables", ("pyarrow",)),
    "tfds": ("reading data sets of TFDS", ("tensorflow_datasets", "tensorflow")),
    "export": ("an export", ("onnx", "onnxruntime", "tf2onnx", "tensorflow")),
    "jax": ("the backend jax", ("jax",)),
    "tensorflow": ("the backend tensorflow", ("tensorflow",)),
    "torch": ("the backend torch", ("torch",)),
}
#: Those that Keras computes on, the one of a plain installation first.
BACKENDS = ("jax", "tensorflow", "torch")
MOST_SHOWN = 4


class MissingExtraError(ModuleNotFoundError):
    """Something that is not installed: one line with the command that installs it."""


def installed(module: str) -> bool:
    """Whether a module can be imported.

    Args:
        module: Its name, such as "ruamel.yaml".
    """
    if module in sys.modules:
        return sys.modules[module] is not None
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # of the package that it is in
        return False


def command(extra: str) -> str:
    """The command that installs an extra."""
    return f'pip install "gm_keras[{extra}]"'


def need(extra: str) -> None:
    """Does nothing where an extra is installed.

    Args:
        extra: One of `EXTRAS`.

    Raises:
        MissingExtraError: Something of it is not installed.
    """
    purpose, modules = EXTRAS[extra]
    missing = [module for module in modules if not installed(module)]
    if missing:
        verb = "is" if len(missing) == 1 else "are"
        raise MissingExtraError(
            f"{purpose} needs {_listed(missing)}, which {verb} not installed: {command(extra)}"
        )


def need_or_exit(extra: str) -> None:
    """As `need`, for a program: it ends with the line on standard error and exit code 1.

    Args:
        extra: One of `EXTRAS`.
    """
    try:
        need(extra)
    except MissingExtraError as error:
        raise SystemExit(f"error: {error}") from None


def _listed(names: Sequence[str]) -> str:
    shown = names if len(names) <= MOST_SHOWN else names[: MOST_SHOWN - 1]
    rest = [] if shown == names else [f"{len(names) - len(shown)} more"]
    *first, last = [*shown, *rest]
    return f"{', '.join(first)} and {last}" if first else last
