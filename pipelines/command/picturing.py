"""Makes the pictures of the README from the finished runs of a project: what `gm-keras docs --pictures` does."""

import shutil
import subprocess
import tempfile
from pathlib import Path

from PIL import Image

from pipelines.command.recording import checkout
from pipelines.report import cards, index, pictures
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
#: The one that a test of the index drives; and how large a window, and for how long at most.
BROWSER, WINDOW, SECONDS = "chromium", (1280, 1190), 60


def write(project: Path) -> str:
    """Writes `docs/samples.png`, `docs/systems.png`, `docs/trajectory.png` and, with a browser, `docs/report.png`.

    Args:
        project: A folder in which each of the systems has its page, under the name of its recipe.

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
    shown = index.page([cards.read(key, project) for key in defaults], [], project)
    for name, picture in made.items():
        with replacing(root / "docs" / f"{name}.png") as path:
            picture.save(path, format="PNG", optimize=True)
    with replacing(root / "docs" / "trajectory.png") as path:
        shutil.copyfile(way, path)
    names = [*made, "trajectory"]
    browser = shutil.which(BROWSER)
    if browser:
        _photograph(shown, browser, root / "docs" / "report.png")
        names.append("report")
    without = "" if browser else f"; docs/report.png is as it was: it needs {BROWSER}"
    return f"wrote {', '.join(f'docs/{name}.png' for name in names)}{without}"


def _photograph(page: str, browser: str, target: Path) -> None:
    """Writes what a browser shows of a page as a picture."""
    size = ",".join(map(str, WINDOW))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "index.html").write_text(page, encoding="utf-8")
        options = ("--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={size}")
        own = (f"--user-data-dir={folder / 'browser'}", f"--screenshot={folder / 'page.png'}")
        address = (folder / "index.html").as_uri()
        try:
            subprocess.run(
                [browser, *options, *own, address], check=True, capture_output=True, timeout=SECONDS
            )
            with Image.open(folder / "page.png") as picture:
                # The page has few colours besides grey: a palette makes the file a third as large.
                small = picture.convert("RGB").quantize(256)
        except (subprocess.SubprocessError, OSError) as error:
            raise UserError(f"{browser} made no picture of the index: {error}") from None
    with replacing(target) as path:
        small.save(path, format="PNG", optimize=True)


def _of(project: Path, key: str, name: str) -> Path:
    path = project / "reports" / key / name
    if not path.is_file():
        raise UserError(f"{path} is missing: add {key} there, and run: dvc repro evaluate@{key}")
    return path
