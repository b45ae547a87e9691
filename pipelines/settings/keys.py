"""What a user may call a data set, a system, an optimizer: such a key names folders, stages of DVC and models.

One rule for all of them: DVC reads `.` and `@` as its own signs, MLflow `/` and `:`, a shell blanks, and
some file systems take `VAE` and `vae` for the same.
"""

import re
from collections.abc import Iterable

from pipelines.shared.errors import UserError

LENGTH = 64
KEY = re.compile(rf"[A-Za-z][A-Za-z0-9_-]{{0,{LENGTH - 1}}}")
#: A model names its own stages: "8x8_fade".
STAGE = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_-]{{0,{LENGTH - 1}}}")
#: `uses:` of a system that stands on its own.
NOTHING = "none"
#: Bare words that a reader of YAML 1.1 or 1.2 takes for something else; `reports/index.html` is of all systems.
RESERVED = frozenset(
    {NOTHING, "index", "y", "n", "yes", "no", "on", "off", "true", "false", "null"}
)


def check(where: str, key: str, pattern: re.Pattern[str] = KEY) -> None:
    """Raises a `UserError` for a key that breaks the rule.

    Args:
        where: What the error begins with, such as "params.yaml: systems".
        key: The key.
        pattern: `KEY` or `STAGE`.
    """
    if key.lower() in RESERVED:
        raise UserError(f'{where}: "{key}" cannot be a key, it has a meaning of its own')
    if not pattern.fullmatch(key):
        shown = key if len(key) <= LENGTH else f"{key[:LENGTH]}..."
        first = "a letter first" if pattern is KEY else "a letter or a digit first"
        raise UserError(
            f'{where}: "{shown}" cannot be a key: expected letters (a to z), digits, underscores and '
            f"hyphens, {first}, at most {LENGTH} of them"
        )


def check_all(where: str, keys: Iterable[str], pattern: re.Pattern[str] = KEY) -> None:
    """Checks the keys of one block, each alone and whether two would name the same folder.

    Args:
        where: What the error begins with.
        keys: All keys of the block.
        pattern: `KEY` or `STAGE`.
    """
    seen: dict[str, str] = {}
    for key in keys:
        check(where, key, pattern)
        other = seen.setdefault(key.lower(), key)
        if other != key:
            raise UserError(
                f'{where}: "{other}" and "{key}" are one name where upper and lower case are not told apart: '
                "rename one"
            )
