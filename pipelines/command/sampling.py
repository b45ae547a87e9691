"""Draws a picture (or writes text) from an exported system: what `gm-keras sample` does."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.command import telling
from pipelines.command.places import PICTURES
from pipelines.exports.safe_load import load_keras
from pipelines.running.compiled import keep_compiled
from pipelines.running.stages import quick, quiet
from pipelines.settings import LARGEST_SEED, Settings, load_settings
from pipelines.shared.errors import UserError, check_number
from pipelines.shared.files import replacing

# Samples are drawn so many at a time: memory stays bounded whatever number is asked for.
CHUNK = 256
# On one picture, or in one text.
MOST = 100_000


def sample_to_file(
    params: Path,
    key: str,
    *,
    n: int,
    seed: int,
    given: Mapping[str, str],
    output: Path,
    exports: Path = Path("exports"),
) -> str | None:
    """Loads `exports/<key>/model.keras` in safe mode and writes a grid of samples.

    Args:
        params: Where `params.yaml` is.
        key: A system of `params.yaml`.
        n: How many samples, at least 1.
        seed: The same seed gives the same samples on the same backend.
        given: What the system is told, as `telling.gathered` returns it. What it must be told besides is that of
            the test examples, for example the sources of a translator.
        output: A PNG file, or for text a TXT file; it is replaced only when the new one is complete.
        exports: The folder that the export stage writes to.

    Returns:
        What the system was told, such as the class by number and name; None for nothing.

    Raises:
        UserError: Something is asked for that cannot be; what can be told without Keras is told
            before it is loaded.
    """
    settings = load_settings(params)
    settings.system(key)
    check_number("-n", n, 1, MOST)
    check_number("--seed", seed, 0, LARGEST_SEED)
    path = exported(key, exports)
    check_output(output)

    model = load_exported(path, settings)
    from gm_keras import images
    from gm_keras.callbacks.grids import TRIPLES

    options = {**settings.system(key).sample, "seed": seed}
    names = class_names(settings.system(key).data, params)
    data = settings.system(key).data
    chosen = telling.values(model, given, names, data)
    try:
        real, n = _of_examples(model, chosen, data, settings, params, n)
        told = {name: values for name, values in real.items() if name in model.conditions}
        made = model.sample(n, batch_size=min(n, CHUNK), **told, **chosen, **options)
    except (TypeError, ValueError) as error:  # in one line, what is wrong with n, label or sample:
        raise UserError(f'system "{key}": {" ".join(str(error).split())}') from None
    columns = None
    if "source" in real and "target" in real:
        made, columns = images.beside(real["source"], made, real["target"]), 3 * TRIPLES
    _write(model, made, columns, output)
    return telling.said(chosen, given, names)


def class_names(data: str, params: Path) -> list[str]:
    """The names of a data set's classes; none where it has none, or is not prepared here."""
    from gm_keras.reading import FileError, read_json

    try:
        names = read_json(params.resolve().parent / "data" / data / "dataset.json").get(
            "class_names"
        )
    except (OSError, FileError):
        return []
    return [str(name) for name in names] if isinstance(names, list) else []


def exported(key: str, exports: Path) -> Path:
    """The `.keras` file of a system; a `UserError` where it has not been exported yet."""
    path = exports / key / "model.keras"
    if not path.is_file():
        raise UserError(f'"{key}" is not exported yet ({path} is missing): dvc repro export@{key}')
    return path


def load_exported(path: Path, settings: Settings) -> Any:
    """Chooses the backend, and loads an exported system on it in safe mode.

    Raises:
        UserError: The file is damaged, or holds something else.
    """
    settings.choose_backend()
    quiet()
    quick()
    keep_compiled()
    model = load_keras(path)
    if not isinstance(getattr(model, "capabilities", None), frozenset):
        raise UserError(f"{path} holds a {type(model).__name__}, which is no system of gm_keras")
    return model


def _of_examples(
    model: Any, chosen: Mapping[str, Any], name: str, settings: Settings, params: Path, n: int
) -> tuple[dict[str, np.ndarray], int]:
    """What a model must be told and was not, of the first test examples, and how many these are.

    Beside a source the target comes too.
    """
    from gm_keras.metrics.examples import conditions_of
    from pipelines.running.build import prepared

    missing = [
        each
        for each, condition in model.conditions.items()
        if not (each in chosen or condition.optional or condition.drawn)
    ]
    if not missing:
        return {}, n
    data = prepared(name, settings, params.resolve().parent)
    rows = np.arange(min(n, data.size("test")))
    known = conditions_of(model, data, "test", rows)
    real = {each: known[each] for each in missing}
    if "source" in missing:
        real["target"] = data.scaled("test", "target", rows)
    return real, len(rows)


def _write(model: Any, made: np.ndarray, columns: int | None, output: Path) -> None:
    from gm_keras import images, views

    is_text = hasattr(model, "decode_text")
    if output.suffix.lower() == ".txt" and not is_text:
        raise UserError(f"-o {output}: this system makes no text: name a PNG file")
    with replacing(output) as temporary:
        if output.suffix.lower() == ".txt":
            passages = [model.decode_text(row) for row in made]
            temporary.write_text("\n\n".join(passages) + "\n", encoding="utf-8")
        else:
            decode = model.decode_text if is_text else None
            picture = views.sheet(model.data_field, made, columns=columns, decode=decode)
            images.save(picture, temporary)


def check_output(output: Path, *, text: bool = True) -> None:
    """Raises a `UserError` for an output that is no PNG (or, with `text`, TXT) file in a writable folder."""
    if output.suffix.lower() not in ((".png", ".txt") if text else (".png",)):
        otherwise = " (or for text a TXT file)" if text else ""
        raise UserError(
            f"-o expects the name of a PNG file such as grid.png{otherwise}, not {output}"
        )
    if output.is_dir():
        raise UserError(f"-o {output} is a folder: name a file in it")
    folder = output.parent
    if folder == PICTURES and not folder.exists():
        folder = folder.parent  # it is made with the first picture
    if not folder.is_dir():
        raise UserError(f"-o {output}: there is no folder {folder}")
    if not os.access(folder, os.W_OK):
        raise UserError(f"-o {output}: the folder {folder} cannot be written to")
