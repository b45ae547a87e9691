"""JAX's persistent compilation cache, on in the processes of the pipeline, in the user's cache folder.

A second process then loads what the first one compiled. It is set by JAX's own variables: what the user sets wins, as
JAX_COMPILATION_CACHE_DIR for another folder, and JAX_ENABLE_COMPILATION_CACHE=false for none. The library leaves them alone,
as they hold for all that a process compiles.
"""

import hashlib
import os
import platform
from pathlib import Path

#: What was not used for longest goes first.
MOST_BYTES = 4 * 2**30
#: Seconds of compiling from which on a result is kept.
WORTH_KEEPING = 0.2


def keep_compiled() -> None:
    """Turns the cache on, before JAX is imported, unless the user said something of it or no folder can be made."""
    if os.environ.keys() & {"JAX_COMPILATION_CACHE_DIR", "JAX_ENABLE_COMPILATION_CACHE"}:
        return
    import platformdirs

    folder = Path(platformdirs.user_cache_dir("gm_keras")) / "jax" / _processor()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(folder, os.W_OK):
        return
    os.environ["JAX_COMPILATION_CACHE_DIR"] = str(folder)
    os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(MOST_BYTES))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", str(WORTH_KEEPING))


def _processor() -> str:
    """Names the instructions of this processor: a home folder may be shared by machines of several kinds."""
    facts = platform.machine() + platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text(encoding="utf-8", errors="replace").splitlines()
        facts += next(
            (line for line in lines if line.lower().startswith(("flags", "features"))), ""
        )
    return hashlib.sha256(facts.encode()).hexdigest()[:12]
