"""What pages of MLflow say of a run and of a version of a model: what it is, of which data, how good.

Markdown, in MLflow's own fields for it. What a user wrote there instead stays.
"""

from collections.abc import Mapping
from pathlib import Path

from gm_keras import reading
from pipelines.shared import catalog
from pipelines.shared.errors import UserError

#: The tag in which MLflow keeps the description of a run.
NOTE = "mlflow.note.content"


def intro(tags: Mapping[str, str]) -> str:
    """Says what a system is: the first paragraph of every description of it.

    Args:
        tags: Of its run: its `key` in `params.yaml`, and as `system` the name of its recipe.
    """
    key = tags.get("key", "model")
    try:
        recipe = catalog.recipe(tags["system"])
    except (KeyError, UserError):
        return f"**{key}**"
    name = "" if key == recipe.name else f" ({recipe.name})"
    return f"**{key}**{name}: {recipe.summary}"


def _paper(tags: Mapping[str, str]) -> list[str]:
    try:
        paper = catalog.recipe(tags["system"]).paper
    except (KeyError, UserError):
        return []
    return [f"- Paper: {paper['authors']}: {paper['title']}, {paper['year']}"]


def description(
    tags: Mapping[str, str], data: Path | None, headline: str = "", run: str = ""
) -> str:
    """Describes a run, or a version of its model.

    Args:
        tags: Of its run: `key`, `system`, `data`, `changed`, `git.revision`, `dvc.experiment`.
        data: The folder of the prepared data set.
        headline: Its score; "" before it was measured.
        run: The name of the run, for what is not the run itself.
    """
    score = f"{headline}, on the test set" if headline else "not measured yet"
    lines = [f"- Score: {score}", f"- Data: {_data(tags, data)}"]
    if run:
        lines.append(f"- Run: {run}")
    revision = tags.get("git.revision", "")[:7]
    if revision:
        differs = f", with {tags['changed']}" if tags.get("changed") else ""
        lines.append(f"- Commit: {revision}{differs}")
    if experiment := tags.get("dvc.experiment"):
        lines.append(f"- Experiment: {experiment} (`dvc exp show`)")
    return "\n".join([intro(tags), "", *lines, *_paper(tags)])


def renewed(current: str | None, text: str) -> str | None:
    """The text, where it may take the place of what stands there; None where a user wrote that.

    Args:
        current: What stands there.
        text: A description.
    """
    ours = text.partition("\n")[0]
    return text if not current or current.partition("\n")[0] == ours else None


def _data(tags: Mapping[str, str], data: Path | None) -> str:
    name = tags.get("data", "unknown")
    try:
        info = reading.read_json(data / "dataset.json")
        size = info["splits"]["train"]
        fields = ", ".join(
            f"{field} {' x '.join(map(str, each['shape'])) or 'number'}"
            for field, each in info["fields"].items()
        )
        return f"{name}, {size:,} training examples ({fields})"
    except (AttributeError, TypeError, LookupError, OSError, ValueError):
        return name
