"""`gm_keras.reading` for stages and commands that do without Keras.

The module is found by its address on disk: importing the package takes seconds.
"""

import importlib.util
import sys

from pipelines.shared import catalog

_PATH = catalog.folder().parent / "reading.py"
_SPEC = importlib.util.spec_from_file_location("pipelines._reading", _PATH)
_module = importlib.util.module_from_spec(_SPEC)
sys.modules[_SPEC.name] = _module
_SPEC.loader.exec_module(_module)

FileError = _module.FileError
check_file = _module.check_file
parse_json = _module.parse_json
parse_value = _module.parse_value
read_bytes = _module.read_bytes
read_text = _module.read_text
shown = _module.shown
