"""The fields that an example may have: the one place that says what is done with each.

| field | one example | on disk | values on disk | in a batch | view |
|---|---|---|---|---|---|
| `image` | (height, width, 1 or 3) | uint8 | 0 to levels - 1 | float32 in [-1, 1] | picture |
| `source`, `target` | as `image` | uint8 | 0 to levels - 1 | float32 in [-1, 1] | picture |
| `features` | (features,) | float32 | finite | float32, as they are | points |
| `tokens` | (length,), or () in a stream | uint8, uint16, int32 | 0 to levels - 1 | int32 | text |
| `audio` | (samples,) | int16 | all | float32 in [-1, 1) | sound |
| `strokes` | (length, 3): dx, dy, pen | float32 | pen: 0, 1 or 2 | float32, dx and dy / scale | drawing |
| `video` | (frames, height, width, 1 or 3) | uint8 | 0 to levels - 1 | float32 in [-1, 1] | film |
| `voxels` | (depth, height, width, 1 or 3) | uint8 | 0 to levels - 1 | float32 in [-1, 1] | projection |
| `caption` | (length,): bytes of UTF-8, then 0 | uint8 | 0 to 255 | int32 | text |
| `mask` | (height, width, 1): a class for each pixel | uint8 | 0 to levels - 1 | int32 | coloured picture |
| `label` | (): a class | int32 | 0 to classes - 1 | int32 | its name |

A value v of L levels becomes 2 v / (L - 1) - 1. `gm_keras.fields.captions` turns captions into text and back,
`gm_keras.fields.strokes` drawings of other forms into this one. `caption`, `mask` and `label` come with a field that
is modelled: the others. `gm_keras.views` has the views.

An example may also have attributes, of any name: numbers that describe it and that no model is given. They are
`PreparedData.attributes`.
"""

from dataclasses import dataclass
from typing import Literal

#: Fields of pixels.
IMAGES = ("image", "source", "target")


@dataclass(frozen=True)
class Kind:
    """What is done with a field.

    Attributes:
        scaling: How values on disk become those of a batch. `pixels`: to [-1, 1] by their levels; `codes`: int32,
            0 to levels - 1; `sound`: 16 bits to [-1, 1); `strokes`: offsets by their deviation; `none`.
        view: What a person is shown, by the name of a function of `gm_keras.views`.
        modelled: Whether a model can learn it by itself; the others come with such a field.
    """

    scaling: Literal["pixels", "codes", "sound", "strokes", "none"]
    view: Literal["pictures", "points", "texts", "sounds", "drawings", "films", "volumes", "masks"]
    modelled: bool = True


#: In the order in which the field that is modelled is looked for.
FIELDS = {
    "target": Kind("pixels", "pictures"),
    "image": Kind("pixels", "pictures"),
    "video": Kind("pixels", "films"),
    "voxels": Kind("pixels", "volumes"),
    "tokens": Kind("codes", "texts"),
    "audio": Kind("sound", "sounds"),
    "strokes": Kind("strokes", "drawings"),
    "features": Kind("none", "points"),
    "source": Kind("pixels", "pictures", modelled=False),
    "caption": Kind("codes", "texts", modelled=False),
    "mask": Kind("codes", "masks", modelled=False),
    "label": Kind("codes", "texts", modelled=False),
}
#: Any of these is modelled, the first that a data set has.
PRIMARY = tuple(name for name, kind in FIELDS.items() if kind.modelled)
#: What comes with them.
COMPANIONS = ("caption", "mask", "label")
#: What the files and arrays of an attribute begin with.
ATTRIBUTE = "attribute_"


def scaling(field: str) -> str:
    """How a field's values become those of a batch; fields of other names stay as they are."""
    return FIELDS[field].scaling if field in FIELDS else "none"
