"""The machine that a training ran on, in a few words."""

import os
import platform
from pathlib import Path

from gm_keras import reading

CPUS = Path("/proc/cpuinfo")


def describe(backend: str, device: str) -> str:
    """Returns for example "2 cores of Intel(R) Xeon(R) Processor, jax on cpu".

    Args:
        backend: Of Keras.
        device: As the backend calls it.
    """
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    plural = "core" if cores == 1 else "cores"
    return f"{cores} {plural} of {_processor()}, {backend} on {device}"


def _processor() -> str:
    try:
        lines = reading.read_text(CPUS).splitlines()
    except (OSError, ValueError):  # no Linux
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
