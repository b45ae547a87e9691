"""The machine that figures are of, and the most that it could do."""

import functools
import hashlib
import os
import platform
import shutil
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = ("keras", "jax", "tensorflow-cpu", "tensorflow", "onednn-cpu-gomp", "numpy")


@functools.cache
def describe() -> dict[str, Any]:
    """Processor, cores, memory and versions; `id` is short for all of it."""
    facts = {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0))
        if hasattr(os, "sched_getaffinity")
        else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "system": platform.system(),
        "python": platform.python_version(),
        "versions": {name: version for name in PACKAGES if (version := _version(name))},
    }
    return {"id": hashlib.sha256(repr(sorted(facts.items())).encode()).hexdigest()[:8], **facts}


def place(facts: dict[str, Any]) -> str:
    """What two machines must have in common for their figures to stand in one table."""
    return f"{facts['processor']}, {facts['cores']} cores"


def commit() -> str | None:
    """The commit that is measured, with a plus where code was changed since; None outside of a repository."""
    git = shutil.which("git")
    if git is None:
        return None

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [git, *arguments],
            cwd=Path(__file__).parent,
            capture_output=True,
            text=True,
            check=False,
        )

    found = run("rev-parse", "--short", "HEAD").stdout.strip()
    changed = run("diff", "--quiet", "HEAD", "--", ":/*.py").returncode
    return found + "+" * bool(changed) if found else None


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8").splitlines()
        names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
        flags = next((line for line in lines if line.startswith("flags")), "")
        widest = next((isa for isa in ("avx512f", "avx2") if f" {isa} " in f"{flags} "), "")
        return " ".join(filter(None, [names[0] if names else "", widest]))
    return platform.processor()
