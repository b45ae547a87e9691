"""Every example by itself: what a page can show of it."""

import base64
import io
import wave
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from gm_keras import images
from gm_keras.views import tiles
from gm_keras.views.sheets import sheet, texts, view_of

#: Of sounds whose rate is not known, in samples a second.
RATE = 16_000


@dataclass(frozen=True)
class View:
    """What is shown of one example.

    Attributes:
        media: The media type: image/png (also of films, which move), image/svg+xml, audio/wav or text/plain.
        content: The file of that type.
    """

    media: str
    content: bytes

    @property
    def address(self) -> str:
        """The content as a data address, for a page that holds all that it shows."""
        charset = ";charset=utf-8" if self.media.startswith("text/") else ""
        return f"data:{self.media}{charset};base64,{base64.b64encode(self.content).decode()}"


def each(
    field: str,
    values: np.ndarray,
    *,
    size: int = 192,
    rate: int | None = None,
    decode: Callable[[np.ndarray], str] | None = None,
) -> list[View]:
    """Makes something to show of every example.

    Args:
        field: One of `gm_keras.fields.FIELDS`; of another name, images or vectors by their shape.
        values: `(n, *shape of one example)`, as in a batch.
        size: Pictures are enlarged by a whole factor to about this width in pixels.
        rate: Of sounds, in samples a second.
        decode: Turns one example of tokens into text.

    Returns:
        n views: drawings as SVG, films as PNG with several frames, sounds as WAV, text as it is, and all else as PNG.
    """
    values = np.asarray(values)
    match view_of(field, values):
        case "texts":
            return [View("text/plain", text.encode()) for text in texts(field, values, decode)]
        case "sounds":
            return [View("audio/wav", sound(value, rate or RATE)) for value in values]
        case "drawings":
            return [View("image/svg+xml", drawing(value, size)) for value in values]
        case "points":
            return [View("image/png", _png(sheet(field, value[None]))) for value in values]
        case "films":
            return [
                View(
                    "image/png", _png(np.stack([images.grid(one[None], 1, size) for one in value]))
                )
                for value in values
            ]
        case "masks":
            shown = tiles.masks(values)
        case "volumes":
            shown = tiles.volumes(values)
        case _:
            shown = values
    return [View("image/png", _png(images.grid(one[None], 1, size))) for one in shown]


def sound(value: np.ndarray, rate: int = RATE) -> bytes:
    """A recording (samples,) in [-1, 1] as a WAV file of 16 bits."""
    samples = np.clip(np.nan_to_num(np.asarray(value, "float64")), -1.0, 1.0)
    buffer = io.BytesIO()
    with wave.open(buffer, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(np.rint(samples * (2**15 - 1)).astype("<i2").tobytes())
    return buffer.getvalue()


def drawing(value: np.ndarray, size: int = 192) -> bytes:
    """Strokes (length, 3) as an SVG file."""
    width = size / 40
    drawn = []
    for line in tiles.lines(value, size):
        points = " L ".join(f"{x:.1f} {y:.1f}" for x, y in line.tolist())
        # A line from a point to itself is a dot, for its ends are round.
        drawn.append(f"M {points}" if len(line) > 1 else f"M {points} L {points}")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size}" height="{size}" viewBox="0 0 {size} {size}">'
        f'<rect width="100%" height="100%" fill="white"/><path d="{" ".join(drawn)}" fill="none" '
        f'stroke="black" stroke-width="{width:g}" stroke-linecap="round" stroke-linejoin="round"/></svg>'
    ).encode()


def _png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    images.save(picture, buffer)
    return buffer.getvalue()
