"""When systems were last retrained, so that runs which fell due meanwhile are not repeated.

Prefect could drop such runs itself, by a limit of the deployment. But a limit's slot outlives a
server that is killed, and then every later run is dropped: a power cut would end the schedule.
"""

import json
from datetime import datetime
from pathlib import Path

from gm_keras import reading

PLACE = Path(".dvc") / "tmp" / "gm_keras_retrained.json"


def covered(root: Path, keys: list[str], due: datetime) -> bool:
    """Whether all systems were retrained by a run that began after this one was due.

    Args:
        root: The folder of the project.
        keys: Systems of `params.yaml`.
        due: When the run should have started, with a time zone.
    """
    began = _read(root)
    return all(key in began and began[key] > due for key in keys)


def record(root: Path, keys: list[str], began: datetime) -> None:
    """Notes that systems were retrained; for the holder of the checkout's lock only.

    Args:
        root: The folder of the project.
        keys: Systems of `params.yaml`.
        began: When that run began its work, with a time zone.
    """
    times = {**_read(root), **dict.fromkeys(keys, began)}
    text = json.dumps({key: time.isoformat() for key, time in times.items()})
    (root / PLACE).write_text(text, encoding="utf-8")


def _read(root: Path) -> dict[str, datetime]:
    try:
        times = reading.parse_json(reading.read_bytes(root / PLACE), str(PLACE))
        return {key: datetime.fromisoformat(time) for key, time in times.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # not there, or cut short: then nothing is known, and the run takes place
