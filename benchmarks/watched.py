"""Any contender, with the memory of its process among its facts: what the kernel counts for this program alone."""

import importlib
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")


def held(key: str) -> int:
    """Bytes from the kernel's account of this process.

    Args:
        key: `VmHWM`, the most that was ever resident, files that are mapped included; `RssAnon`, what is resident
            now without them. `ru_maxrss` would not do: a process inherits the peak of the one that started it.
    """
    lines = STATUS.read_text(encoding="utf-8").splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:"))


class Watched:
    """Runs another contender.

    Args:
        target: `module:Class` of the contender.
        arguments: Of the class.
    """

    def __init__(self, target: str, arguments: dict[str, Any]):
        module, name = target.split(":")
        cls = getattr(importlib.import_module(module), name)
        self._imported = held("VmHWM")
        self._contender = cls(**arguments)
        self._anonymous = 0

    def run(self, amount: int) -> None:
        """As the contender does it."""
        self._contender.run(amount)
        self._anonymous = max(self._anonymous, held("RssAnon"))

    def facts(self) -> dict[str, Any]:
        """The contender's, and in bytes: `imported`, the peak before it was made; `peak`; `anonymous`, the most
        that was held outside of files after a run."""
        # The peak first: for its facts a contender may work once more.
        memory = {
            "imported": self._imported,
            "peak": held("VmHWM"),
            "anonymous": self._anonymous,
        }
        return {**self._contender.facts(), **memory}
