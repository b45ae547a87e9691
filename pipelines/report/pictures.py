"""Pictures as they stand in the page."""

import base64
import io
import math
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from pipelines.shared.errors import UserError

# Below this width a picture is shown larger than it is, and its pixels are to stay sharp.
SMALL = 640
#: Of thumbnails: seventy of them are to be a megabyte or two at most.
THUMBNAIL, QUALITY = 176, 78


@dataclass(frozen=True)
class Embedded:
    """A picture within the page: its data address, and its size in pixels."""

    address: str
    width: int
    height: int

    @property
    def small(self) -> bool:
        """Whether it is enlarged on most screens."""
        return self.width < SMALL


def embed(path: Path, made_by: str) -> Embedded:
    """A PNG file as a data address.

    Args:
        path: The file.
        made_by: The command that makes it, for the error.

    Raises:
        UserError: It is missing or no picture.
    """
    with _opened(path, made_by) as picture:
        size = picture.size
    return Embedded(_address("png", path.read_bytes()), *size)


def thumbnail(path: Path, made_by: str) -> Embedded:
    """The upper left corner of a picture of samples as a small square of a few kilobytes, whatever is on it."""
    with _opened(path, made_by) as picture:
        side = min(picture.size)
        corner = picture.convert("RGB").crop((0, 0, side, side))
    if side > THUMBNAIL:
        corner = corner.resize((THUMBNAIL, THUMBNAIL), Image.Resampling.BOX)
    buffer = io.BytesIO()
    corner.save(buffer, "WEBP", quality=QUALITY, method=6)
    return Embedded(_address("webp", buffer.getvalue()), *corner.size)


def overview(
    paths: list[Path], height: int = 360, gap: int = 12, columns: int | None = None
) -> Image.Image:
    """Puts the samples of several systems on one picture, by default about square, in their order."""
    columns = columns or max(math.ceil(math.sqrt(len(paths))), 1)
    pictures = []
    for path in paths:
        with Image.open(path) as opened:
            width = round(opened.width * height / opened.height)
            pictures.append(opened.convert("RGB").resize((width, height), Image.Resampling.BOX))
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    width = max((sum(each.width + gap for each in row) for row in rows), default=gap) - gap
    page = Image.new("RGB", (max(width, 1), max(len(rows) * (height + gap) - gap, 1)), "white")
    for number, row in enumerate(rows):
        left = 0
        for each in row:
            page.paste(each, (left, number * (height + gap)))
            left += each.width + gap
    return page


def _opened(path: Path, made_by: str) -> Image.Image:
    try:
        picture = Image.open(path)
        picture.load()
    except FileNotFoundError:
        raise UserError(f"{path} is missing: make it with: {made_by}") from None
    except (OSError, ValueError, SyntaxError):
        raise UserError(f"{path} is damaged: make it again with: {made_by}") from None
    return picture


def _address(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(content).decode()
