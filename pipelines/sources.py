"""`python -m pipelines.sources`: the stage that writes which code each system's stages use.

`build/sources/<stage>/<key>.json` lists the modules, each with a checksum of what it says. DVC compares these files
instead of folders of code: a new layer makes nothing stale, another GAN no GAN, and a comment or a docstring nothing.
"""

import json
from pathlib import Path

from pipelines.running import code
from pipelines.settings import Settings, load_settings, project_root
from pipelines.shared.errors import main
from pipelines.shared.files import write_json, writing


def run() -> None:
    """Writes the files that changed, and removes those of systems that are gone."""
    settings = load_settings()
    write(settings, project_root() / "build" / "sources")


def write(settings: Settings, folder: Path) -> None:
    """Does what `run` says, in a folder.

    Args:
        settings: Of the project.
        folder: For the files, of which nobody else writes any.
    """
    wanted = {
        folder / stage / f"{key}.json": code.modules(stage, key, settings)
        for stage in code.STAGES
        for key in settings.systems
    }
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for path in [path for path in folder.rglob("*") if path.is_file() and path not in wanted]:
            path.unlink()
        for path, modules in wanted.items():
            path.parent.mkdir(exist_ok=True)
            if not _holds(path, modules):
                write_json(path, modules)


def _holds(path: Path, content: dict[str, str]) -> bool:
    try:
        return json.loads(path.read_bytes()) == content
    except (OSError, ValueError):
        return False


if __name__ == "__main__":
    main(run)
