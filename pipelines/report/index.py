"""The way in: `reports/index.html`, leaderboards of all systems, and `reports/samples.png`."""

from pathlib import Path

from pipelines.report import cards, inputs, leaderboard, pictures, precision_recall, templates
from pipelines.settings import Settings, load_settings, project_root
from pipelines.shared.files import replacing


def run() -> None:
    """Writes the index and the picture with the samples of all systems."""
    write(load_settings(), project_root())


def write(settings: Settings, root: Path) -> None:
    """As `run`, in a project whose settings are read.

    Both are of the systems of `params.yaml` that have a page; of one that is no longer there, a page may be
    left behind, and nothing leads to it.

    Args:
        settings: `params.yaml`.
        root: The folder of the project.
    """
    keys = [key for key in inputs.evaluated(settings, root) if cards.path(key, root).is_file()]
    missing = [key for key in settings.systems if key not in keys]
    found = [cards.read(key, root) for key in keys]
    text = page(found, missing, root)
    samples = pictures.overview([_samples(key, root) for key in keys])
    target = root / "reports" / "index.html"
    with replacing(target) as path:
        path.write_text(text, encoding="utf-8")
    with replacing(root / "reports" / "samples.png") as path:
        samples.save(path)
    for key in missing:
        print(f"{key} is not on the index: make its page with: dvc repro page@{key}")
    print(f"{len(found)} systems on {target}")


def page(found: list[cards.Card], missing: list[str], root: Path) -> str:
    """The text of the index.

    Args:
        found: The systems that it shows, in their order.
        missing: Keys of systems that have no page.
        root: The folder of the project.
    """
    return templates.render(
        "index.html",
        cards=found,
        tables=leaderboard.tables(found),
        filters=cards.shares(found),
        missing=missing,
        square=precision_recall,
        code=templates.code(root),
    )


def _samples(key: str, root: Path) -> Path:
    return root / "reports" / key / "samples.png"
