"""Where the command reads and writes, as seen from the folder of the project."""

from pathlib import Path

PARAMS = Path("params.yaml")
#: For pictures that nobody named: git ignores it.
PICTURES = Path("plots")
