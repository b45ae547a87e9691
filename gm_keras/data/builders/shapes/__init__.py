"""Shapes: colour pictures of one to three objects, with all that there is to say of them.

Circles, squares, triangles, stars, hearts and crosses in eight colours and two sizes, plain or striped, lie on a light
ground, in soft light with soft shadows; their edges are antialiased. Where there are several, the main one is
large and the others small, and none touches another. Each picture has a caption, a mask, the shape of its main object
as its label, and all that it was painted from as attributes. `scenes` draws what is on the pictures, `drawing` paints
it, and `grammar` tells it.

Eight pairs of a shape and a colour, such as a red heart, are nowhere in train, validation and test; each picture of
`unseen` has one of them as its main object.
"""

from collections.abc import Iterator

import numpy as np

from gm_keras.data.builders.png import png
from gm_keras.data.builders.shapes.drawing import CLASSES, paint
from gm_keras.data.builders.shapes.grammar import captions
from gm_keras.data.builders.shapes.scenes import COLOURS, MOST, SHAPES, SIDE, SIZES, TEXTURES, draw
from gm_keras.data.tfds import tfds

__all__ = ["CLASSES", "COLOURS", "EXAMPLES", "SHAPES", "Shapes", "make"]

EXAMPLES = {"train": 20_000, "validation": 2_000, "test": 2_000, "unseen": 2_000}
# What is said of an object that is not there.
NONE = "none"

Arrays = dict[str, np.ndarray]


def make(split: str, n: int | None = None) -> tuple[Arrays, Arrays]:
    """Makes the pictures of a split.

    Args:
        split: A key of `EXAMPLES`.
        n: How many; by default all. Other numbers give other pictures.

    Returns:
        The fields: `image` uint8 (n, 32, 32, 3), `caption` strings (n,), `mask` uint8 (n, 32, 32, 1) and `label` (n,);
        and the attributes: `count` (n,), `shape`, `colour`, `size` and `texture` (n, 3), each 0 for an object that is
        not there and otherwise one more than the place in its list; `position` float32 (n, 3, 2), centres in pixels
        to the right and down, and `radius` (n, 3); `light` (n, 2), a vector to where the light comes from.
    """
    n = EXAMPLES[split] if n is None else n
    seed = list(EXAMPLES).index(split)
    scenes = draw(n, seed, unseen=split == "unseen")
    images, masks = paint(scenes)
    fields = {
        "image": images,
        "caption": np.array(captions(scenes, seed)),
        "mask": masks,
        "label": scenes.shape[:, 0],
    }
    attributes = {"count": scenes.count.astype("int32")}
    for name in ("shape", "colour", "size", "texture"):
        attributes[name] = (getattr(scenes, name) + 1) * scenes.there
    for name in ("position", "radius", "light"):
        attributes[name] = getattr(scenes, name).astype("float32")
    return fields, attributes


def _places(names: tuple[str, ...]) -> tfds.features.Sequence:
    return tfds.features.Sequence(tfds.features.ClassLabel(names=[NONE, *names]), length=MOST)


class Shapes(tfds.core.GeneratorBasedBuilder):
    """32 x 32 colour pictures of one to three shapes; 20,000 to train, 2,000 each to validate, to test and unseen."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "First release."}
    EXAMPLES = EXAMPLES

    def _info(self) -> tfds.core.DatasetInfo:
        image = tfds.features.Image(shape=(SIDE, SIDE, 3), encoding_format="png")
        attributes = {
            "count": tfds.features.Scalar(np.int32),
            "shape": _places(SHAPES),
            "colour": _places(tuple(COLOURS)),
            "size": _places(SIZES),
            "texture": _places(TEXTURES),
            "position": tfds.features.Tensor(shape=(MOST, 2), dtype=np.float32),
            "radius": tfds.features.Tensor(shape=(MOST,), dtype=np.float32),
            "light": tfds.features.Tensor(shape=(2,), dtype=np.float32),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            description=__doc__,
            features=tfds.features.FeaturesDict(
                {
                    "image": image,
                    "caption": tfds.features.Text(),
                    "mask": tfds.features.LabeledImage(
                        labels=list(CLASSES), shape=(SIDE, SIDE, 1), encoding_format="png"
                    ),
                    "label": tfds.features.ClassLabel(names=SHAPES),
                    "attributes": attributes,
                }
            ),
            supervised_keys=("image", "label"),
            metadata=tfds.core.MetadataDict(levels=256),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        del dl_manager
        return {split: self._generate_examples(split, n) for split, n in self.EXAMPLES.items()}

    def _generate_examples(self, split: str, n: int) -> Iterator[tuple[int, dict]]:
        fields, attributes = make(split, n)
        for row in range(n):
            example = {name: values[row] for name, values in fields.items()}
            known = {name: values[row] for name, values in attributes.items()}
            yield (
                row,
                {
                    "image": png(example["image"]),
                    "mask": png(example["mask"]),
                    "caption": str(example["caption"]),
                    "label": int(example["label"]),
                    "attributes": known,
                },
            )
