"""Fills the templates in; style and script become part of each page, which needs nothing else."""

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from pipelines.tracking import revision

FOLDER = Path(__file__).parent / "templates"


def render(template: str, **content: Any) -> str:
    """Returns a page.

    Args:
        template: The name of a file in `templates/`.
        **content: What it asks for.
    """
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=select_autoescape(),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["inline"] = inline
    return environment.get_template(template).render(**content)


def inline(name: str) -> Markup:
    """A style or a script as it stands."""
    return Markup((FOLDER / name).read_text(encoding="utf-8"))


def code(root: Path) -> dict[str, Any]:
    """The git revision of the checkout, None outside a repository, and whether it was changed."""
    tags = revision.revision_tags(root, None)
    return {"revision": tags.get("git.revision"), "changed": tags.get("git.dirty") == "true"}
