"""Many examples of a field on one picture, or one film."""

import textwrap
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from gm_keras import images
from gm_keras.fields import FIELDS, captions
from gm_keras.views import tiles

#: How many examples a sheet should show, by view.
MOST_SHOWN = {
    "pictures": 64,
    "masks": 64,
    "drawings": 64,
    "volumes": 36,
    "films": 16,
    "sounds": 12,
    "points": 1000,
    "texts": 4,
}
#: Images with captions in a row.
CAPTIONED = 8
# In pixels: a letter of `images.text` and what it leaves free on both sides; and what lies between two pictures.
_LETTER, _MARGINS, _GAP = 8, 24, 8


def sheet(
    field: str,
    values: np.ndarray,
    *,
    columns: int | None = None,
    decode: Callable[[np.ndarray], str] | None = None,
    real: np.ndarray | None = None,
    told: Mapping[str, np.ndarray] | None = None,
) -> np.ndarray:
    """Puts examples beside each other.

    Args:
        field: One of `gm_keras.fields.FIELDS`; of another name, images or vectors by their shape.
        values: `(n, *shape of one example)`, as in a batch.
        columns: Examples in a row; by default about as many as rows.
        decode: Turns one example of tokens into text.
        real: Further points, drawn below those of vectors.
        told: What images were made for, by field, as in a batch: a caption stands below its image, a mask or another
            image of the same shape on its left.

    Returns:
        A picture `(height, width, 3)`, uint8; of videos a film `(frames, height, width, 3)`.
    """
    values = np.asarray(values)
    match view_of(field, values):
        case "masks":
            return images.grid(tiles.masks(values), columns)
        case "drawings":
            return images.grid(tiles.drawings(values), columns)
        case "volumes":
            return images.grid(tiles.volumes(values), columns)
        case "films":
            return np.stack([images.grid(frame, columns) for frame in values.swapaxes(0, 1)])
        case "sounds":
            return images.grid(tiles.waves(values), columns or 2)
        case "points":
            return images.scatter(values, real)
        case "texts":
            return images.text(texts(field, values, decode))
    return _pictures(values, columns, told or {})


def _pictures(
    values: np.ndarray, columns: int | None, told: Mapping[str, np.ndarray]
) -> np.ndarray:
    beside = [
        tiles.masks(given) if FIELDS[name].view == "masks" else np.asarray(given)
        for name, given in told.items()
        if name in FIELDS and FIELDS[name].view in ("masks", "pictures")
    ]
    wide = values
    if beside:
        together = images.beside(*beside, values)
        # One image out of those that belong together.
        n, height, width, channels = len(values), *together.shape[1:]
        wide = together.reshape(n, -1, height, width, channels).swapaxes(1, 2)
        wide = wide.reshape(n, height, -1, channels)
    if "caption" in told:
        return captioned(wide, captions.decode(told["caption"]), columns or CAPTIONED)
    return images.grid(wide, columns)


def view_of(field: str, values: np.ndarray) -> str:
    """The view of a field; of one that has none, by the shape of its values."""
    if field in FIELDS:
        return FIELDS[field].view
    return "pictures" if values.ndim == 4 else "points"


def texts(
    field: str, values: np.ndarray, decode: Callable[[np.ndarray], str] | None = None
) -> list[str]:
    """Each example as text: of captions what they say, of other codes what `decode` makes of them, or their numbers."""
    if field == "caption":
        return captions.decode(values)
    if decode is not None:
        return [decode(row) for row in values]
    return [" ".join(map(str, np.ravel(row).tolist())) for row in values]


def captioned(
    pictures: np.ndarray, lines: Sequence[str], columns: int = 4, size: int = 160
) -> np.ndarray:
    """Puts images beside each other, each with its text below.

    Args:
        pictures: `(n, height, width, 1 or 3)` in [-1, 1].
        lines: n texts.
        columns: Images in a row.
        size: An image is enlarged by a whole factor to about this width in pixels.

    Returns:
        A picture `(height, width, 3)`, uint8.
    """
    cells = []
    for picture, line in zip(pictures, lines, strict=True):
        shown = images.grid(np.asarray(picture)[None], 1, size)
        letters = max(8, (shown.shape[1] - _MARGINS) // _LETTER)
        words = images.text(["\n".join(textwrap.wrap(line, letters))], letters)
        width = max(shown.shape[1], words.shape[1])
        cells.append(np.concatenate([_widened(shown, width), _widened(words, width)]))
    height, width = (max(each.shape[axis] for each in cells) + _GAP for axis in (0, 1))
    rows = -(-len(cells) // columns)
    page = np.full((rows * height, columns * width, 3), 255, "uint8")
    for number, cell in enumerate(cells):
        top, left = number // columns * height, number % columns * width
        page[top : top + cell.shape[0], left : left + cell.shape[1]] = cell
    return page


def _widened(picture: np.ndarray, width: int) -> np.ndarray:
    return np.pad(picture, ((0, 0), (0, width - picture.shape[1]), (0, 0)), constant_values=255)
