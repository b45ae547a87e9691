"""Small projects in temporary folders, for tests of the stages and the command.

`real` is the working tree itself, trained in seconds; `tiny` is what the stages find before a training, `reported` what
they leave, made up. `parts` has what these are made of, `datasets` prepared data.
"""

from tests.projects.real import (
    PARAMS,
    ROOT,
    copy_of,
    environment,
    make_project,
    run,
    run_here,
    trained,
)

__all__ = [
    "PARAMS",
    "ROOT",
    "copy_of",
    "environment",
    "make_project",
    "run",
    "run_here",
    "trained",
]
