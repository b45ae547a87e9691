"""Reads the classes of examples with an exported system: what `gm-keras classify` does."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.command import telling
from pipelines.command.sampling import class_names, exported, load_exported
from pipelines.settings import load_settings
from pipelines.shared import labels
from pipelines.shared.errors import UserError, printable


def classify(
    params: Path, key: str, files: Sequence[Path], exports: Path = Path("exports")
) -> list[str]:
    """Reads the class of each example.

    Args:
        params: Where `params.yaml` is.
        key: A system of `params.yaml`.
        files: Images, or `.npy` files with one example or several, in the range of the training data.
        exports: The folder that the export stage writes to.

    Returns:
        A line for each example: the file, and the class by number and name.

    Raises:
        UserError: The system has no classes, or a file holds none of its examples.
    """
    settings = load_settings(params)
    system = settings.system(key)
    model = load_exported(exported(key, exports), settings)
    if "classifier" not in model.capabilities:
        reason = "does not tell classes apart: those that do offer classifier (gm-keras list)"
        raise UserError(f'"{key}" ({system.class_name}), as it was trained, {reason}')
    # Keras is imported by now, on the backend of the settings.
    from keras import ops

    names, lines = class_names(system.data, params), []
    for file in files:
        where, shape = printable(str(file)), model.data_shape
        array, pixels = telling.read(where, file, shape[-1])
        array = array / 127.5 - 1.0 if pixels else array
        try:
            examples = array if array.ndim > len(shape) else array[None]
            found = ops.convert_to_numpy(model.classify(examples))
        except (TypeError, ValueError) as error:
            raise UserError(f"{where}: {' '.join(str(error).split())}") from None
        lines += [f"{where}: {labels.told(int(each), names)}" for each in found]
    return lines
