"""How a run is called: its system, and what sets it apart from what is committed."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pipelines.settings import NOTHING
from pipelines.shared import yaml_file
from pipelines.shared.errors import UserError
from pipelines.tracking.revision import changes, committed, short_revision

LONGEST = 60  # characters of a name
LONGEST_VALUE = 20
#: What shapes a training besides the block of its system and that of its data.
COMMON = ("seed", "backend", "metrics")


def run_name(root: Path, key: str, backend: str | None = None) -> str:
    """Names a run by its experiment or change: `vae latent_dim=8`.

    Args:
        root: The folder of the project.
        key: Of the system in `params.yaml`.
        backend: The one that is in use, whatever `params.yaml` says.

    Returns:
        The key, with what differs from the commit and the name of DVC's experiment; with neither the commit.
    """
    experiment = os.environ.get("DVC_EXP_NAME")
    changed = differences(root, key, backend)
    if changed is None:
        parts = ["(new)"]
    elif changed or experiment:
        parts = _fitting(
            changed, LONGEST - len(key) - len(f" ({experiment})" if experiment else "")
        )
    else:
        parts = [_commit(root)]
    if experiment:
        parts.append(f"({experiment})" if parts else experiment)
    return " ".join([key, *parts])


def differences(root: Path, key: str, backend: str | None = None) -> list[str] | None:
    """What the settings of a system have that the commit has not, such as `["latent_dim=8"]`.

    Within an experiment of DVC the commit is the one that it began with.

    Args:
        root: The folder of the project.
        key: Of the system in `params.yaml`.
        backend: The one that is in use, whatever `params.yaml` says.

    Returns:
        One text for each setting; None where the commit has no such system.
    """
    text = committed(root, "params.yaml")
    if text is None:
        return []
    try:
        before = yaml_file.parse(text, "params.yaml")
        now = yaml_file.load(root / "params.yaml")
        old, new = _settings(before, key), _settings(now, key)
    except (UserError, LookupError, TypeError, AttributeError):
        return []  # not as they should be: what reads them for use says so
    if not old or not new:
        return None if new else []
    if backend and "backend" in new:
        new["backend"] = backend
    paths = [*new, *(path for path in old if path not in new)]
    return [
        f"{_short(path, paths)}={_value(new[path])}" if path in new else f"no {_short(path, paths)}"
        for path in paths
        if path not in old or path not in new or old[path] != new[path]
    ]


def _settings(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Every setting that shapes a system, by its path; none where there is no such system."""
    block = content["systems"].get(key)
    if block is None:
        return {}
    data = {"data": content["data"].get(block["data"]) or {}}
    common = {name: content[name] for name in COMMON if name in content}
    return _leaves({**_renamed(block), **data, **common})


def _renamed(block: Mapping[str, Any]) -> dict[str, Any]:
    """A system's block, where `data` and `uses` are names."""
    others = {name: value for name, value in block.items() if name not in ("data", "uses")}
    uses = {} if block.get("uses", NOTHING) == NOTHING else {"uses": block["uses"]}
    return {**others, "data_set": block["data"], **uses}


def _leaves(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= _leaves(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _short(path: str, paths: list[str]) -> str:
    """The end of a path that no other one has."""
    names = path.split(".")
    for count in range(1, len(names)):
        end = names[-count:]
        if sum(each.split(".")[-count:] == end for each in paths) == 1:
            return ".".join(end)
    return path


def _value(value: Any) -> str:
    text = (
        value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), default=str)
    )
    return (
        text
        if len(text) <= LONGEST_VALUE
        else text[: LONGEST_VALUE - 1] + "\N{HORIZONTAL ELLIPSIS}"
    )


def _fitting(parts: list[str], length: int) -> list[str]:
    """As many parts as fit, and how many more there are."""
    kept: list[str] = []
    for number, part in enumerate(parts):
        rest = f"+{len(parts) - number - 1}" if number + 1 < len(parts) else ""
        if kept and len(" ".join([*kept, part, rest])) > length:
            return [*kept, f"+{len(parts) - number}"]
        kept.append(part)
    return kept


def _commit(root: Path) -> str:
    return short_revision(root) + ("-dirty" if changes(root) else "")
