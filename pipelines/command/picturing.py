"""Makes the pictures of the README from the finished runs of a project: what `gm-keras docs --pictures` does."""

import shutil
from pathlib import Path

from pipelines.command.recording import checkout
from pipelines.report import pictures
from pipelines.shared import yaml_file
from pipelines.shared.errors import UserError
from pipelines.shared.files import replacing

#: On the second picture, in its order: systems that the checkout does not train by default.
OTHERS = (
    "gated_pixelcnn",
    "vqvae_prior",
    "rbm",
    "helmholtz_machine",
    "pix2pix",
    "progressive_gan",
)
#: The system whose way from noise to a sample is shown.
ON_THE_WAY = "ddpm"


def write(project: Path) -> str:
    """Writes `docs/samples.png`, `docs/systems.png` and `docs/trajectory.png`.

    Args:
        project: A folder in which each of the systems was evaluated under the name of its recipe.

    Returns:
        What was done, in a line.

    Raises:
        UserError: A picture is missing: which, and how to make it; every page is as it was.
    """
    root = checkout()
    defaults = tuple(yaml_file.load(root / "params.yaml")["systems"])
    way = _of(project, ON_THE_WAY, "latents/trajectory.png")
    made = {
        name: pictures.overview([_of(project, key, "samples.png") for key in keys], columns=2)
        for name, keys in (("samples", defaults), ("systems", OTHERS))
    }
    for name, picture in made.items():
        with replacing(root / "docs" / f"{name}.png") as path:
            picture.save(path, format="PNG", optimize=True)
    with replacing(root / "docs" / "trajectory.png") as path:
        shutil.copyfile(way, path)
    return f"wrote {', '.join(f'docs/{name}.png' for name in (*made, 'trajectory'))}"


def _of(project: Path, key: str, name: str) -> Path:
    path = project / "reports" / key / name
    if not path.is_file():
        raise UserError(f"{path} is missing: add {key} there, and run: dvc repro evaluate@{key}")
    return path
