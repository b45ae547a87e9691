"""Draws a picture (or writes text) from an exported system: what `gm-keras sample` does."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pipelines.command import telling
from pipelines.command.places import check_place
from pipelines.exports.safe_load import load_keras
from pipelines.running.compiled import keep_compiled
from pipelines.running.stages import quick, quiet
from pipelines.settings import LARGEST_SEED, Settings, load_settings
from pipelines.shared.errors import UserError, check_number
from pipelines.shared.files import replacing

if TYPE_CHECKING:
    from gm_keras.fields.table import Table

# Samples are drawn so many at a time: memory stays bounded whatever number is asked for.
CHUNK = 256
# What rows of a table are written to.
TABLES = (".csv", ".parquet")
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
        output: A PNG file, for text a TXT file, for rows of a table a CSV or Parquet file; it is replaced only when
            the new one is complete.
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
    check_output(output, table=True)
    table = _table(output, path.parent, key)

    model = load_exported(path, settings)
    from gm_keras import images
    from gm_keras.callbacks.grids import TRIPLES
    from gm_keras.telling import tell

    options = {**settings.system(key).sample, "seed": seed}
    data = settings.system(key).data
    names = class_names(data, params)
    if table is not None and table.label is not None:
        names = list(table.label_column.values)
    chosen = telling.values(model, given, names, data)
    if table is not None and "label" in model.conditions and "label" not in chosen:
        # As often as in the data, so that the column is like the others.
        chosen = {**chosen, "label": table.draw_labels(n, seed)}
    try:
        real, n = _of_examples(model, chosen, data, settings, params, n)
        told = {name: values for name, values in real.items() if name in model.conditions}
        made = model.sample(n, batch_size=min(n, CHUNK), **told, **chosen, **options)
    except (TypeError, ValueError) as error:  # in one line, what is wrong with n, label or sample:
        raise UserError(f'system "{key}": {" ".join(str(error).split())}') from None
    if table is not None and output.suffix.lower() in TABLES:
        _write_table(table, made, chosen.get("label"), output)
        if table.label is not None and "label" not in chosen:
            tell(
                f"note: without the column {table.label}: it is the label, which {key} was not told; leave out label: "
                f"under data: {data}: to have it modelled"
            )
        return telling.said({name: chosen[name] for name in given}, given, names)
    columns = None
    if "source" in real and "target" in real:
        made, columns = images.beside(real["source"], made, real["target"]), 3 * TRIPLES
    _write(model, made, columns, output, table)
    return telling.said({name: chosen[name] for name in given}, given, names)


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


def _write(
    model: Any, made: np.ndarray, columns: int | None, output: Path, table: "Table | None"
) -> None:
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
            picture = (
                views.sheet(model.data_field, made, columns=columns, decode=decode)
                if table is None
                else views.marginals(table, made)
            )
            images.save(picture, temporary)


def _table(output: Path, folder: Path, key: str) -> "Table | None":
    """The columns of an export; None where it has none, and rows are not asked for."""
    from gm_keras.fields.table import Table
    from gm_keras.reading import FileError, read_json

    path = folder / "table.json"
    if not path.exists():
        if output.suffix.lower() not in TABLES:
            return None
        raise UserError(
            f"-o {output}: {key} learned no table, or was exported before it had columns: name a PNG file, or "
            f"export it again with: dvc repro -f export@{key}"
        )
    try:
        return Table.read(read_json(path))
    except (OSError, FileError, ValueError) as error:
        raise UserError(f"{path}: {error}: make it again with: dvc repro -f export@{key}") from None


def _write_table(table: "Table", made: np.ndarray, labels: Any, output: Path) -> None:
    from gm_keras.data.tables.files import write

    if labels is not None:
        labels = np.broadcast_to(labels, len(made))
    with replacing(output) as temporary:
        write(temporary, table.restored(made, labels), parquet=output.suffix.lower() == ".parquet")


def check_output(output: Path, *, text: bool = True, table: bool = False) -> None:
    """Raises a `UserError` for an output that is no file of a kind that can be written, in a writable folder.

    Args:
        output: A PNG file.
        text: It may be a TXT file.
        table: It may be a CSV or Parquet file.
    """
    allowed = (".png", *([".txt"] if text else []), *(TABLES if table else ()))
    if output.suffix.lower() not in allowed:
        words = [*(["for text a TXT file"] if text else [])]
        words += ["for a table a CSV or Parquet file"] if table else []
        otherwise = f" (or {', '.join(words)})" if words else ""
        raise UserError(
            f"-o expects the name of a PNG file such as grid.png{otherwise}, not {output}"
        )
    check_place(output)
