"""What editors and type checkers are told of the lazy packages: `python -m tests.stubs` writes it.

The classes of all systems stand in `gm_keras.registry` as names only, which no tool can follow.
"""

from pathlib import Path

import gm_keras
from gm_keras import registry

FOLDER = Path(gm_keras.__file__).parent
HEAD = "# Written by `make format`: for editors and type checkers.\n"


def stubs() -> dict[Path, str]:
    """The content of each stub, by its path."""
    systems = [f"from {module} import {cls} as {cls}" for cls, module in _by_module()]
    core = [
        f"from gm_keras import {name} as {name}" for name in (*gm_keras._PACKAGES, "registry")
    ] + [f"from gm_keras.core import {name} as {name}" for name in gm_keras._CORE]
    return {
        FOLDER / "__init__.pyi": _text([*core, *systems, "", "__version__: str"]),
        FOLDER / "models" / "__init__.pyi": _text(systems),
    }


def _by_module() -> list[tuple[str, str]]:
    return sorted(registry.classes().items(), key=lambda item: item[1])


def _text(lines: list[str]) -> str:
    return HEAD + "\n".join(lines) + "\n"


if __name__ == "__main__":
    for path, text in stubs().items():
        path.write_text(text, encoding="utf-8")
