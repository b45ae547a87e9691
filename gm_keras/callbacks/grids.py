"""Pictures of samples while a model trains."""

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np

from gm_keras import images, views
from gm_keras.fields import FIELDS
from gm_keras.fields.table import Table
from gm_keras.metrics.examples import conditions_of
from gm_keras.telling import one_line, tell, with_kind

# Rows of a picture with one column for each class.
ROWS = 8
# Of what has no view of its own.
IMAGES, POINTS = views.MOST_SHOWN["pictures"], views.MOST_SHOWN["points"]
COLUMNED = ("pictures", "masks", "drawings", "volumes", "films")
# Translations in a picture: triples of source, translation and target, so many beside each other.
TRANSLATIONS, TRIPLES = 16, 2


def picture_size(model: Any) -> int:
    """How many samples a picture of a model shows."""
    if "translator" in model.capabilities:
        return TRANSLATIONS
    columns = _columns(model)
    return ROWS * columns if columns else views.MOST_SHOWN[_view(model)]


def _view(model: Any) -> str:
    return FIELDS[model.data_field].view if model.data_field in FIELDS else "pictures"


def _columns(model: Any) -> int | None:
    """How many classes have a column each: none where there are many, or where text or points are shown."""
    classes = getattr(model.conditions.get("label"), "classes", None)
    return classes if classes and classes <= 2 * ROWS and _view(model) in COLUMNED else None


def _of_examples(model: Any) -> list[str]:
    """The conditions that pictures take from test examples: those that are not one class."""
    return [name for name, each in model.conditions.items() if not each.is_class]


def examples(model: Any, data: Any) -> dict[str, np.ndarray]:
    """The test examples that pictures of a model show beside what it makes; none for most models.

    Args:
        model: A `GenerativeModel`.
        data: Prepared data.

    Returns:
        Fields of the first examples, scaled as in training.
    """
    told = _of_examples(model)
    if not told and model.data_field != "features":
        return {}
    rows = np.arange(min(picture_size(model), data.size("test")))
    real = {field: data.scaled("test", field, rows) for field in model.fields}
    known = conditions_of(model, data, "test", rows)
    return {**real, **{name: known[name] for name in told}}


def draw(
    model: Any,
    seed: int,
    options: dict[str, Any] | None = None,
    real: dict[str, np.ndarray] | None = None,
    table: Table | None = None,
) -> np.ndarray:
    """Draws samples as a picture.

    Images become a grid (one column for each class, where there are any), vectors a scatter plot, or of a table a
    diagram for each column, tokens
    lines of text, videos a film, what is none of these what `gm_keras.fields` calls its view; translations
    become triples of source, translation and target. What else a model is told is that of the test examples, and is
    shown with images: captions below, masks beside.

    Args:
        model: A `GenerativeModel`.
        seed: Of the samples.
        options: Passed to `sample` or `translate`.
        real: What `examples` returns.
        table: The columns that vectors stand for.

    Returns:
        A picture `(height, width, 3)`, uint8, or a film `(frames, height, width, 3)`.
    """
    n, real = picture_size(model), real or {}
    told = {name: real[name] for name in _of_examples(model)}
    if "translator" in model.capabilities:
        n = len(real["source"])
    elif told:
        told = {name: values[np.arange(n) % len(values)] for name, values in told.items()}
    arguments = {"seed": seed, **told, **(options or {})}
    if "translator" in model.capabilities:
        columns = (real["source"], model.sample(n, **arguments), real["target"])
        return images.grid(images.beside(*columns), columns=3 * TRIPLES)
    field, shown, columns = model.data_field, {}, _columns(model)
    if columns:
        arguments["label"] = np.arange(n) % columns
        shown["columns"] = columns
    if hasattr(model, "decode_text"):
        shown["decode"] = model.decode_text
    if table is not None and "label" in model.conditions:
        arguments["label"] = table.draw_labels(n, seed)
    made = model.sample(n, **arguments)
    if table is not None:
        return views.marginals(table, made, real.get(field))
    return views.sheet(field, made, real=real.get(field), told=told, **shown)


def draw_or_explain(
    model: Any,
    data: Any,
    seed: int,
    options: dict[str, Any] | None = None,
    tell: Callable[[str], None] = tell,
) -> tuple[np.ndarray, str | None]:
    """Draws samples as a picture; if that cannot be done, for whatever reason, the picture says why.

    Args:
        model: A `GenerativeModel`.
        data: Prepared data.
        seed: Of the samples.
        options: Passed to `sample` or `translate`.
        tell: Takes a line where there is no picture, with the kind of the error.

    Returns:
        What `draw` returns, and why it shows no samples; None if it does.
    """
    try:
        table = data.columns if model.data_field == "features" else None
        return draw(model, seed, options, examples(model, data), table), None
    except Exception as error:  # no picture is worth the scores of a training
        tell(f"there is no picture of samples: {with_kind(error)}")
        return images.text([f"There is no picture: {one_line(error)}"]), one_line(error)


class SampleGrids(keras.callbacks.Callback):
    """Draws the same latents after some epochs, with averaged weights where the optimizer keeps them.

    Args:
        folder: Where `epoch_0010.png` and so on are written.
        epochs: How many epochs the training has.
        grids: How many pictures to make, the last epoch's included.
        options: Passed to `sample`.
        seed: Of the samples, the same in every picture.
        real: What `examples` returns.
        table: The columns that vectors stand for.
        on_picture: Called with the path of each picture and its epoch, counted from 1.
        tell: Takes a line for each picture that cannot be drawn or written; the training goes on.
    """

    def __init__(
        self,
        folder: Path,
        epochs: int,
        *,
        grids: int = 8,
        options: dict[str, Any] | None = None,
        seed: int = 0,
        real: dict[str, np.ndarray] | None = None,
        table: Table | None = None,
        on_picture: Callable[[Path, int], None] | None = None,
        tell: Callable[[str], None] = tell,
    ):
        super().__init__()
        self.folder = Path(folder)
        self.options = options or {}
        self.seed = seed
        self.real = real
        self.table = table
        self.on_picture = on_picture
        self.tell = tell
        self.at = {round(epochs * part / grids) for part in range(1, grids + 1)} - {0}

    def on_epoch_end(self, epoch, logs=None):
        """Writes the picture of this epoch, if it is one of those asked for."""
        if epoch + 1 not in self.at:
            return
        path = self.folder / f"epoch_{epoch + 1:04d}.png"
        try:
            with self.model.optimizer.averaged():
                picture = draw(self.model, self.seed, self.options, self.real, self.table)
            self.folder.mkdir(parents=True, exist_ok=True)
            images.save(picture, path)
        except Exception as error:  # no picture is worth a training
            # Half a picture would be taken for one.
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            self.tell(f"no picture of epoch {epoch + 1} ({with_kind(error)}); training goes on")
            return
        if self.on_picture:
            self.on_picture(path, epoch + 1)
