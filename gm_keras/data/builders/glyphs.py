"""Glyphs: grey pictures of capital letters and digits in many faces, as large as those of MNIST.

The outlines are those of fonts that matplotlib brings: DejaVu (free of charge, derived from Bitstream Vera and in part
public domain), STIX (SIL Open Font License) and Computer Modern in the fonts of BaKoMa (free to use and to pass on);
the licences are among matplotlib's. Each letter is slanted, turned, scaled, made thinner or thicker, and moved.

Letters are capitals, and within a face no two glyphs are the same: the digit 0 is narrower than the letter O, or has a
dot within, and the digit 1 has a flag that the letter I has not. But from face to face the 0 of one may look like the O
of another, so that a reader who does not see which face it is errs now and then.
"""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from gm_keras.data.builders.png import png
from gm_keras.data.tfds import tfds

EXAMPLES = {"train": 20_000, "validation": 2_000, "test": 2_000}

SIDE = 28
CLASSES = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ")
#: The faces, and how much each may be thickened, in pixels: fine lines are never made finer, bold ones hardly bolder.
FACES = {
    "DejaVuSans": (-0.3, 0.8),
    "DejaVuSans-Bold": (-0.9, 0.2),
    "DejaVuSerif": (-0.1, 0.8),
    "DejaVuSerif-Bold": (-0.6, 0.3),
    "DejaVuSansMono": (-0.3, 0.8),
    "DejaVuSansMono-Bold": (-0.8, 0.2),
    "STIXGeneral": (0.1, 0.9),
    "STIXGeneralBol": (-0.2, 0.4),
    "cmr10": (0.15, 0.9),
    "cmb10": (-0.2, 0.5),
    "cmss10": (-0.1, 0.9),
    "cmtt10": (0.0, 0.9),
}

# The height of a capital in pixels, and the most that a glyph may be wide.
_HEIGHT, _WIDEST = (15.0, 20.0), 20.5
_SLANT = (-0.2, 0.35)
# The tangent of half the largest angle by which a glyph is turned; the largest shift in pixels.
_TURN, _SHIFT = 0.06, 1.2
# A signed distance is known on a grid of so many points for each side of a square, in which a capital is this high.
_GRID, _CAPITAL = 64, 34.0
_TOGETHER = 2_000


def glyphs(n: int, seed: int) -> dict[str, np.ndarray]:
    """Draws glyphs; all classes are equally frequent, as are all faces.

    Args:
        n: How many.
        seed: Chooses them.

    Returns:
        `image` uint8 (n, 28, 28, 1), white on black; `label` (n,), places in `CLASSES`; `font` (n,), places in `FACES`;
        `slant` float32 (n,), how far to the right the upper end of a line of height 1 leans; `weight` float32 (n,), by
        how many pixels the outline is moved out; and `height` float32 (n,), of a capital in pixels.
    """
    generator = np.random.default_rng([seed, SIDE])
    label = generator.permutation(np.arange(n) % len(CLASSES))
    font = generator.integers(len(FACES), size=n)
    thinnest, thickest = np.array(list(FACES.values())).T
    weight = _between(generator, n, thinnest[font], thickest[font])
    slant = _between(generator, n, *_SLANT)
    turn = _between(generator, n, -_TURN, _TURN)
    shift = _SHIFT * (2.0 * generator.random((n, 2)) - 1.0)
    stretch = _between(generator, n, 0.93, 1.07)
    ink = _between(generator, n, 0.8, 1.0)
    distances, widths = outlines()
    # A wide one is made smaller, so that it fits, slanted too.
    wide = widths[font, label] * stretch + np.abs(slant)
    height = np.minimum(_between(generator, n, *_HEIGHT), _WIDEST / np.maximum(wide, 0.1))
    image = np.empty((n, SIDE, SIDE, 1), "uint8")
    for start in range(0, n, _TOGETHER):
        part = slice(start, start + _TOGETHER)
        u, v = _places(height[part], slant[part], turn[part], shift[part], stretch[part])
        field = _look_up(distances[font[part], label[part]], u, v)
        outside = field * (height[part] / _CAPITAL)[:, None, None] - weight[part, None, None]
        cover = np.clip(0.5 - outside / 1.2, 0.0, 1.0) * ink[part, None, None]
        image[part, ..., 0] = np.rint(255.0 * cover).astype("uint8")
    known = {"slant": slant, "weight": weight, "height": height}
    return {
        "image": image,
        "label": label,
        "font": font,
        **{name: values.astype("float32") for name, values in known.items()},
    }


@lru_cache(maxsize=1)
def outlines() -> tuple[np.ndarray, np.ndarray]:
    """How far each point of a grid lies outside of each glyph, and how wide the glyphs are.

    Returns:
        float32 (faces, classes, grid, grid), in steps of the grid, negative within a glyph, whose middle is the grid's;
        and float64 (faces, classes), the widths in heights of a capital.
    """
    import matplotlib
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    folder = Path(matplotlib.get_data_path(), "fonts", "ttf")
    distances = np.empty((len(FACES), len(CLASSES), _GRID, _GRID), "float32")
    widths = np.empty((len(FACES), len(CLASSES)))
    for row, face in enumerate(FACES):
        font = FontProperties(fname=str(folder / f"{face}.ttf"))
        tall = TextPath((0.0, 0.0), "H", size=100.0, prop=font).get_extents().height
        for column, character in enumerate(CLASSES):
            path = TextPath((0.0, 0.0), character, size=100.0, prop=font)
            box = path.get_extents()
            middle = np.array([box.x0 + box.x1, box.y0 + box.y1]) / 2.0
            polygons = [
                (polygon - middle) * (_CAPITAL / tall)
                for polygon in path.to_polygons(closed_only=True)
            ]
            distances[row, column] = _signed_distance(polygons)
            widths[row, column] = box.width / tall
    return distances, widths


def _signed_distance(polygons: list[np.ndarray]) -> np.ndarray:
    """How far each point of the grid lies outside of closed polygons that are filled where they wind around it."""
    steps = np.arange(_GRID, dtype="float32") - np.float32((_GRID - 1) / 2.0)
    x, y = (each.reshape(-1, 1) for each in np.meshgrid(steps, -steps))
    start = np.concatenate([polygon[:-1] for polygon in polygons]).astype("float32")
    end = np.concatenate([polygon[1:] for polygon in polygons]).astype("float32")
    side = end - start
    # From the start of each side to each point of the grid.
    dx, dy = x - start[:, 0], y - start[:, 1]
    length = np.maximum((side**2).sum(axis=-1), 1e-12)
    along = np.clip((dx * side[:, 0] + dy * side[:, 1]) / length, 0.0, 1.0)
    squares = (dx - along * side[:, 0]) ** 2 + (dy - along * side[:, 1]) ** 2
    # A side that crosses the height of a point on its right counts by its direction.
    left = side[:, 0] * dy - side[:, 1] * dx
    up = (start[:, 1] <= y) & (end[:, 1] > y) & (left > 0)
    down = (start[:, 1] > y) & (end[:, 1] <= y) & (left < 0)
    inside = (up.sum(axis=1) - down.sum(axis=1)) != 0
    distance = np.sqrt(squares.min(axis=1))
    return np.where(inside, -distance, distance).reshape(_GRID, _GRID).astype("float32")


def _places(
    height: np.ndarray, slant: np.ndarray, turn: np.ndarray, shift: np.ndarray, stretch: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Where on the grid each pixel of each glyph lies: across and down, (n, 28, 28)."""
    pixels = np.arange(SIDE) - (SIDE - 1) / 2.0
    x = pixels[None, None, :] - shift[:, 0, None, None]
    y = pixels[None, :, None] - shift[:, 1, None, None]
    square = turn**2
    cosine, sine = (1.0 - square) / (1.0 + square), 2.0 * turn / (1.0 + square)
    cosine, sine = cosine[:, None, None], sine[:, None, None]
    across, down = cosine * x + sine * y, cosine * y - sine * x
    scale = (_CAPITAL / height)[:, None, None]
    across = (across + slant[:, None, None] * down) / stretch[:, None, None]
    middle = (_GRID - 1) / 2.0
    return across * scale + middle, down * scale + middle


def _look_up(fields: np.ndarray, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """Values between the points of a grid, linear in both directions; beyond it those of its border."""
    u, v = (np.clip(each, 0.0, _GRID - 1.001) for each in (u, v))
    column, row = u.astype("int64"), v.astype("int64")
    right, below = u - column, v - row
    which = np.arange(len(fields))[:, None, None]
    upper = fields[which, row, column] * (1.0 - right) + fields[which, row, column + 1] * right
    lower = (
        fields[which, row + 1, column] * (1.0 - right) + fields[which, row + 1, column + 1] * right
    )
    return upper * (1.0 - below) + lower * below


def _between(generator: np.random.Generator, n: int, low, high) -> np.ndarray:
    return low + (np.asarray(high) - low) * generator.random(n)


class Glyphs(tfds.core.GeneratorBasedBuilder):
    """28 x 28 letters and digits of 36 classes in twelve faces; 20,000 to train, 2,000 each to validate and to test."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    EXAMPLES = EXAMPLES

    def _info(self) -> tfds.core.DatasetInfo:
        attributes = {
            name: tfds.features.Scalar(np.float32) for name in ("slant", "weight", "height")
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(shape=(SIDE, SIDE, 1), encoding_format="png"),
                    "label": tfds.features.ClassLabel(names=CLASSES),
                    "attributes": {
                        "font": tfds.features.ClassLabel(names=list(FACES)),
                        **attributes,
                    },
                }
            ),
            supervised_keys=("image", "label"),
            metadata=tfds.core.MetadataDict(levels=256),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        del dl_manager
        return {
            split: self._generate_examples(n, seed)
            for seed, (split, n) in enumerate(self.EXAMPLES.items())
        }

    def _generate_examples(self, n: int, seed: int) -> Iterator[tuple[int, dict]]:
        drawn = glyphs(n, seed)
        for row in range(n):
            known = {name: drawn[name][row] for name in ("slant", "weight", "height")}
            yield (
                row,
                {
                    "image": png(drawn["image"][row]),
                    "label": int(drawn["label"][row]),
                    "attributes": {"font": int(drawn["font"][row]), **known},
                },
            )
