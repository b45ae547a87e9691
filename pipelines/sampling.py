"""Draws a picture from an exported system: what `gm-keras sample` does."""

import os
from pathlib import Path

from pipelines.errors import UserError
from pipelines.files import replacing
from pipelines.safe_load import load_keras
from pipelines.settings import load_settings
from pipelines.stages import quiet

# Samples are drawn so many at a time: memory stays bounded whatever number is asked for.
CHUNK = 256


def sample_to_file(
    params: Path,
    key: str,
    *,
    n: int,
    seed: int,
    label: int | None,
    output: Path,
    exports: Path = Path("exports"),
) -> None:
    """Loads `exports/<key>/model.keras` in safe mode and writes a grid of samples.

    Args:
        params: Where `params.yaml` is.
        key: A system of `params.yaml`.
        n: How many samples, at least 1.
        seed: The same seed gives the same samples on the same backend.
        label: The class to draw, in 0..classes - 1, or None.
        output: The PNG file; it is replaced only when the new picture is complete.
        exports: The folder that the export stage writes to.

    Raises:
        UserError: Something is asked for that cannot be; what can be told without Keras is told
            before it is loaded.
    """
    settings = load_settings(params)
    settings.system(key)
    if n < 1:
        raise UserError(f"-n is the number of samples and must be at least 1, not {n}")
    path = exports / key / "model.keras"
    if not path.is_file():
        raise UserError(f'"{key}" is not exported yet ({path} is missing): dvc repro export@{key}')
    _check_output(output)

    settings.choose_backend()
    quiet()
    model = load_keras(path)
    if not isinstance(getattr(model, "capabilities", None), frozenset):
        raise UserError(f"{path} holds a {type(model).__name__}, which is no system of gm_keras")
    options = {**settings.system(key).sample, "seed": seed, "label": label}
    try:
        samples = model.sample(n, batch_size=min(n, CHUNK), **options)
    except (TypeError, ValueError) as error:  # in one line, what is wrong with n, label or sample:
        raise UserError(f'system "{key}": {" ".join(str(error).split())}') from None

    from gm_keras import images

    picture = images.picture_of(samples)
    with replacing(output) as temporary:
        images.save(picture, temporary)


def _check_output(output: Path) -> None:
    if output.suffix.lower() != ".png":
        raise UserError(f"-o expects the name of a PNG file such as grid.png, not {output}")
    if output.is_dir():
        raise UserError(f"-o {output} is a folder: name a file in it")
    if not output.parent.is_dir():
        raise UserError(f"-o {output}: there is no folder {output.parent}")
    if not os.access(output.parent, os.W_OK):
        raise UserError(f"-o {output}: the folder {output.parent} cannot be written to")
