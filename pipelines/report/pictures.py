"""Pictures as they stand in the page."""

import base64
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from gm_keras import images
from pipelines.shared.errors import UserError

# Below this width a picture has its own size on a desk, and its pixels are to stay sharp.
SMALL = 576
#: The greatest width and height of the pictures on the index, and of those of a training.
THUMBNAIL = 276
#: Seventy of them are to be two megabytes at most: so many bytes of each without a loss, or else this quality.
LOSSLESS, QUALITY = 16_000, 50


@dataclass(frozen=True)
class Embedded:
    """A picture within the page: its data address, and its size in pixels."""

    address: str
    width: int
    height: int

    @property
    def small(self) -> bool:
        """Whether it is shown as large as it is."""
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
    """A picture of samples in at most `THUMBNAIL` pixels of width and height, and a few kilobytes, whatever is on it.

    Of a grid every image is there, enlarged by a smaller whole factor than on the picture, where they fit.
    """
    with _opened(path, made_by) as picture:
        whole = picture.convert("RGB")
    grid = images.smaller_grid(np.asarray(whole), THUMBNAIL)
    if grid is not None:
        whole = Image.fromarray(grid)
    elif max(whole.size) > THUMBNAIL:
        scale = THUMBNAIL / max(whole.size)
        sides = [max(round(side * scale), 1) for side in whole.size]
        whole = whole.resize(sides, Image.Resampling.BOX)
    content = _webp(whole, lossless=True, quality=QUALITY)
    if len(content) > LOSSLESS:
        content = _webp(whole, quality=QUALITY)
    return Embedded(_address("webp", content), *whole.size)


def of_epoch(path: Path, made_by: str) -> Embedded:
    """A picture of samples while a model trained: small, unless it is a film."""
    with _opened(path, made_by) as picture:
        moves = getattr(picture, "n_frames", 1) > 1
    return embed(path, made_by) if moves else thumbnail(path, made_by)


def _webp(picture: Image.Image, **options: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "WEBP", method=4, **options)
    return buffer.getvalue()


def overview(
    paths: list[Path], height: int = 600, gap: int = 12, columns: int | None = None
) -> Image.Image:
    """Puts the samples of several systems on one picture, by default about square, in their order.

    Args:
        paths: Their pictures; one that is not higher than `height` is not scaled.
        height: The greatest height of one in pixels.
        gap: Pixels between two.
        columns: Pictures in a row.
    """
    columns = columns or max(math.ceil(math.sqrt(len(paths))), 1)
    pictures = []
    for path in paths:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        if picture.height > height:
            width = max(round(picture.width * height / picture.height), 1)
            picture = picture.resize((width, height), Image.Resampling.BOX)
        pictures.append(picture)
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    heights = [max(each.height for each in row) for row in rows]
    width = max((sum(each.width + gap for each in row) for row in rows), default=gap) - gap
    size = (max(width, 1), max(sum(heights) + gap * (len(rows) - 1), 1))
    page, top = Image.new("RGB", size, "white"), 0
    for row, highest in zip(rows, heights, strict=True):
        left = 0
        for each in row:
            page.paste(each, (left, top))
            left += each.width + gap
        top += highest + gap
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
