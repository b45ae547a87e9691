"""Which numbers of a recipe fit a data set: `gm-keras add` looks at the data and takes those of their shape."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pydantic

from gm_keras.reading import FileError, read_json
from pipelines.settings import DataSettings, blocks
from pipelines.shared import catalog
from pipelines.shared.errors import UserError
from pipelines.tracking import revision

#: The sides of images for which recipes have numbers of their own.
SIDES = (8, 16, 32, 64, 128, 256)
#: What the images of a field are called in recipes, under `shapes:`.
PICTURES = {"image": "images", "target": "pairs"}
#: What the examples of a field other than images are called in recipes, under `shapes:`.
SHAPES = {"features": "vectors", "tokens": "text", "audio": "sound"}
#: How often a model with a likelihood sees each example at most: with fewer examples it would learn them by heart.
MOST_EPOCHS = 300
#: What an entry under `shapes:` can have besides what it changes in the block: which images fit, what goes, how long
#: to train, and what else changes in colour.
BESIDES = ("sides", "multiple_of", "channels", "without", "steps", "colour")


@dataclass(frozen=True)
class Facts:
    """What a recipe needs to know of a data set.

    Attributes:
        name: Under `data:`.
        primary: The field that is modelled.
        shape: Of one example: (height, width, channels), (features,), or () for a stream of tokens.
        num_classes: None without labels.
        train: The number of examples to train on; of tokens in a stream.
        test: Likewise to test on.
    """

    name: str
    primary: str
    shape: tuple[int, ...]
    num_classes: int | None
    train: int
    test: int

    @property
    def side(self) -> int:
        """The longer side of images, in pixels."""
        return max(self.shape[:2])

    @property
    def in_colour(self) -> bool:
        """Whether they are images of three channels."""
        return len(self.shape) == 3 and self.shape[-1] == 3

    @property
    def kind(self) -> str:
        """What the recipes call such data: `vectors`, `images`, `pairs`, `text`, `sound`, or the field's own name."""
        return PICTURES.get(self.primary) or SHAPES.get(self.primary, self.primary)

    @property
    def told(self) -> str:
        """In words, such as `colour images of 32 x 32 pixels`."""
        if self.primary in PICTURES:
            colours = {1: "grey", 3: "colour"}
            colour = colours.get(self.shape[-1], f"{self.shape[-1]}-channel")
            height, width, _ = self.shape
            return f"{colour} {self.kind} of {height} x {width} pixels"
        size = f" of {' x '.join(map(str, self.shape))} values" if self.shape else ""
        return f"{self.kind}{size}"


def words(shape: str) -> str:
    """A key under `shapes:` in words, such as `images of up to 32 x 32 pixels`."""
    kind, _, side = shape.partition("_")
    return f"{kind} of up to {side} x {side} pixels" if side else kind


@dataclass(frozen=True)
class Fit:
    """The numbers of a recipe that fit a data set.

    Attributes:
        shape: The key under `shapes:`.
        without: The entries of the recipe's block that such data have no use for, such as `model.filters`.
        steps: How long to train, in steps; None leaves the epochs as they are.
        likelihood: Whether the system has one, exactly, as a bound or an estimate.
        why: The recipe's comment on the steps; empty if there is none.
    """

    shape: str
    without: tuple[str, ...]
    steps: int | None
    likelihood: bool
    why: str


def look(name: str, entry: Mapping[str, Any], root: Path) -> Facts:
    """Looks at a data set: as it was prepared, otherwise as it is declared.

    Data that were prepared with other settings than those of today are as if they were not; of a new `image_size`
    alone it is known what comes of it.

    Args:
        name: Under `data:`.
        entry: Its settings.
        root: The folder of the project.

    Raises:
        UserError: It cannot be read, or has to be prepared first.
    """
    info_file = root / "data" / name / "dataset.json"
    if info_file.is_file() and _is_of_today(name, entry, root):
        try:
            info = read_json(info_file)
            spec, splits = info["fields"][info["primary"]], info["splits"]
            shape = tuple(spec["shape"])
            if info["primary"] in PICTURES and (size := entry.get("image_size")):
                shape = (size, size, shape[-1])  # it may have been set since the data were prepared
            return Facts(
                name,
                info["primary"],
                shape,
                info["num_classes"],
                splits["train"],
                splits["test"],
            )
        except (FileError, LookupError, TypeError):
            raise UserError(
                f"{info_file} is not as it was written: prepare the data set again with: "
                f"dvc repro -f prepare@{name}"
            ) from None
    try:
        settings = DataSettings.model_validate(dict(entry))
    except (pydantic.ValidationError, ValueError, TypeError):
        raise UserError(
            f"params.yaml: data.{name} cannot be read: python -m pipelines.check says why"
        ) from None
    # The package imports Keras and TFDS, which takes seconds.
    from pipelines.prepare import described

    source = described(name, settings, root)
    # What the source does not have as a split of its own is cut from the examples to train on.
    cut = {"validation": settings.validation, "test": settings.test}
    kept = 1.0 - sum(part for split, part in cut.items() if split not in source.splits)
    train, test = source.splits["train"], source.splits.get("test")
    return Facts(
        name,
        source.primary,
        () if source.stream else tuple(source.fields[source.primary].shape),
        len(source.class_names) if source.class_names else None,
        math.floor(train * kept),
        math.floor(train * settings.test) if test is None else test,
    )


def _is_of_today(name: str, entry: Mapping[str, Any], root: Path) -> bool:
    """Whether prepared data have the settings of today, but for the size of images; true where nobody knows."""
    then = (revision.locked_settings(root, f"prepare@{name}") or {}).get(f"data.{name}")
    return then is None or _without_size(then) == _without_size(entry)


def _without_size(entry: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in entry.items() if key != "image_size"}


def fit(recipe: catalog.Recipe, facts: Facts) -> Fit:
    """Chooses the numbers of a recipe for a data set.

    Raises:
        UserError: The recipe has none; the message says what to change, or which systems have some.
    """
    shape = _shape(recipe, facts)
    if shape is None:
        raise UserError(_without_numbers(recipe, facts))
    entry = recipe.shapes[shape] or {}
    _refuse(recipe, entry, facts)
    lines = blocks.nested(recipe.text, "shapes", shape)
    return Fit(
        shape,
        without=tuple(entry.get("without") or ()),
        steps=entry.get("steps"),
        likelihood=bool({"density", "bound", "energy"} & set(recipe.capabilities)),
        why=blocks.comment(lines, "steps"),
    )


def _without_numbers(recipe: catalog.Recipe, facts: Facts) -> str:
    has = f'"{facts.name}" has {facts.told}, and the recipe "{recipe.name}" has numbers for'
    own = ", ".join(recipe.shapes) or "no data but its own"
    sides = [
        int(name.rpartition("_")[2]) for name in recipe.shapes if name.startswith(facts.kind + "_")
    ]
    if sides:
        return f"{has} {own} alone: set image_size: {max(sides)} under data.{facts.name}"
    others = [each.name for each in catalog.recipes() if _shape(each, facts)]
    instead = f"these have some: {', '.join(others)}" if others else "no recipe has some yet"
    return f"{has} {own} alone: {instead}"


def _shape(recipe: catalog.Recipe, facts: Facts) -> str | None:
    """The key under `shapes:` of a recipe that fits a data set; None if there is none."""
    if facts.primary not in PICTURES:
        return facts.kind if facts.kind in recipe.shapes else None
    names = [f"{facts.kind}_{side}" for side in SIDES if side >= facts.side]
    return next((name for name in names if name in recipe.shapes), None)


def _refuse(recipe: catalog.Recipe, entry: Mapping[str, Any], facts: Facts) -> None:
    """Raises a `UserError` where images of this size need to be scaled first, or have too many channels."""
    where = f'"{facts.name}" has {facts.told}, and {recipe.name}'
    channels, sides, multiple = (entry.get(key) for key in ("channels", "sides", "multiple_of"))
    if channels and facts.shape[-1] != channels:
        others = [
            each.name
            for each in catalog.recipes()
            if (key := _shape(each, facts)) and not (each.shapes[key] or {}).get("channels")
        ]
        raise UserError(
            f"{where} is for grey images alone: these are for colour: {', '.join(others)}"
        )
    height, width = facts.shape[:2] if facts.primary in PICTURES else (0, 0)
    if sides and not (height == width and height in sides):
        wanted = min(sides, key=lambda side: abs(side - facts.side))
        raise UserError(
            f"{where} needs squares of {' or '.join(map(str, sides))} pixels: set image_size: {wanted} under "
            f"data.{facts.name}"
        )
    if multiple and (height % multiple or width % multiple):
        wanted = max(multiple, round(facts.side / multiple) * multiple)
        raise UserError(
            f"{where} halves them, so that both sides must be multiples of {multiple}: set image_size: {wanted} under "
            f"data.{facts.name}"
        )


def of_the_data(
    block: Mapping[str, Any], facts: Facts, chosen: Fit
) -> list[tuple[dict[str, Any], str]]:
    """What a block says of the data: changes, each with its comment.

    Args:
        block: With the numbers that were chosen.
        facts: Of the data set.
        chosen: As `fit` returned it.
    """
    found: list[tuple[dict[str, Any], str]] = []
    if "num_classes" in block["model"]:
        classes = facts.num_classes
        note = "leave out to train without labels" if classes else f"{facts.name} has no labels"
        found.append(({"model": {"num_classes": classes}}, note))
    if chosen.steps:
        each, wanted = _epochs(chosen.steps, block, facts, likelihood=chosen.likelihood)
        note = f"{wanted:,} steps"
        if wanted < 0.9 * chosen.steps:
            note += f"; {chosen.steps:,} would see the same examples too often"
        elif chosen.why:
            note += f": {chosen.why}"
        found.append(({"fit": {"epochs": each}}, note))
    samples = block["evaluate"].get("samples")
    if samples and facts.shape and facts.test < samples:
        note = "as many as there are to test on"
        found.append(({"evaluate": {"samples": max(2, facts.test)}}, note))
    return found


def _epochs(
    steps: int, block: Mapping[str, Any], facts: Facts, *, likelihood: bool
) -> tuple[int, int]:
    """How many epochs come to about so many steps on a data set, and to how many."""
    settings = block["fit"]
    repeats = block["model"].get("n_critic", 1) if settings.get("fresh_batches") else 1
    in_one = max(1, facts.train // (settings["batch_size"] * repeats))
    most = MOST_EPOCHS if likelihood else steps
    each = min(most, max(1, round(steps / in_one)))
    return each, each * in_one
