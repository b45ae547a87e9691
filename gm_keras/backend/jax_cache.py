"""JAX's persistent compilation cache, on by default in the user's cache folder.

A second process then loads what the first one compiled. What the user sets wins: JAX_COMPILATION_CACHE_DIR is another
folder, JAX_ENABLE_COMPILATION_CACHE=false turns it off.
"""

import hashlib
import os
import platform
from pathlib import Path

import jax
import platformdirs

#: What was not used for longest goes first.
MOST_BYTES = 4 * 2**30
#: Seconds of compiling from which on a result is kept.
WORTH_KEEPING = 0.2


def keep_compiled() -> None:
    """Turns the cache on, unless the user chose a folder, or none can be made."""
    if jax.config.jax_compilation_cache_dir or not jax.config.jax_enable_compilation_cache:
        return
    folder = Path(platformdirs.user_cache_dir("gm_keras")) / "jax" / _processor()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    if not os.access(folder, os.W_OK):
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_compilation_cache_max_size", MOST_BYTES)
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", WORTH_KEEPING)


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
