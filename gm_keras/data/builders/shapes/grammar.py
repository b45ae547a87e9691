"""Sentences that say what is on the pictures of `shapes`: each is true, and none says all.

The main object comes first. Shape and colour of an object are always said, its size and texture often; where an
object is alone its place, where there are two how they lie to each other, if that is plain to see.
"""

import numpy as np

from gm_keras.data.builders.shapes.scenes import COLOURS, SHAPES, SIDE, Scenes

WORDS = {"small": ("small", "little"), "large": ("large", "big")}
#: Of the picture in thirds: down, then across.
PLACES = (
    ("at the top left", "at the top", "at the top right"),
    ("on the left", "in the middle", "on the right"),
    ("at the bottom left", "at the bottom", "at the bottom right"),
)
#: How the first object lies to the second, and how the second lies to the first.
RELATIONS = {
    "left": (("to the left of", "left of"), "to its right"),
    "right": (("to the right of", "right of"), "to its left"),
    "above": (("above", "over"), "below it"),
    "below": (("below", "under"), "above it"),
}
# One direction outweighs the other by so much where it is named.
_PLAIN = 1.5
# Within so much of a third's border a place is not named: in parts of the picture.
_DOUBT = 0.03
# Random numbers of a sentence: a wording, whether and how to name the place, and four for each object.
_CHOICES = 14


def captions(scenes: Scenes, seed: int) -> list[str]:
    """Writes a sentence for each picture.

    Args:
        scenes: What is on the pictures.
        seed: Chooses the wordings.
    """
    choices = np.random.default_rng([seed, SIDE, 1]).random((len(scenes.count), _CHOICES))
    return [_sentence(scenes, row, choices[row].tolist()) for row in range(len(choices))]


def place(position: np.ndarray) -> str | None:
    """Where on the picture a centre is, in words; None close to a border between two places."""
    thirds = np.asarray(position) / SIDE * 3.0
    if (np.abs(thirds - np.rint(thirds)) < 3.0 * _DOUBT)[
        np.isin(np.rint(thirds), (1.0, 2.0))
    ].any():
        return None
    across, down = thirds.astype("int64").tolist()
    return PLACES[down][across]


def relation(first: np.ndarray, second: np.ndarray) -> str | None:
    """How one centre lies to another, as a key of `RELATIONS`; None where two are about equally true."""
    across, down = (np.asarray(first) - np.asarray(second)).tolist()
    if abs(across) >= _PLAIN * abs(down):
        return "left" if across < 0 else "right"
    if abs(down) >= _PLAIN * abs(across):
        return "above" if down < 0 else "below"
    return None


def _sentence(scenes: Scenes, row: int, choices: list[float]) -> str:
    count = int(scenes.count[row])
    wording, named, *rest = choices
    things = [
        _thing(scenes, row, number, rest[4 * number : 4 * number + 4]) for number in range(count)
    ]
    if count == 1:
        return _alone(things[0], place(scenes.position[row, 0]), wording, named)
    if count == 2:
        return _two(*things, relation(*scenes.position[row, :2]), wording, named)
    first, second, third = things
    return (
        f"{first}, {second} and {third}",
        f"{first} with {second} and {third}",
        f"there are {first}, {second} and {third}",
        f"a picture of {first}, {second} and {third}",
    )[int(4 * wording)]


def _alone(thing: str, where: str | None, wording: float, named: float) -> str:
    if where is None or named < 0.25:
        return (thing, f"there is {thing}", f"a picture of {thing}")[int(3 * wording)]
    return (f"{thing} {where}", f"there is {thing} {where}", f"{where}, {thing}")[int(3 * wording)]


def _two(first: str, second: str, how: str | None, wording: float, named: float) -> str:
    if how is None or named < 0.25:
        return (
            f"{first} and {second}",
            f"{first} with {second}",
            f"there are {first} and {second}",
            f"a picture of {first} and {second}",
        )[int(4 * wording)]
    forms, back = RELATIONS[how]
    form = forms[int(2 * (4 * named % 1.0))]
    return (
        f"{first} {form} {second}",
        f"{first} {form} {second}",
        f"{first} with {second} {back}",
        f"there is {first} {form} {second}",
    )[int(4 * wording)]


def _thing(scenes: Scenes, row: int, number: int, choices: list[float]) -> str:
    """One object, such as `a large striped red heart`."""
    size_said, size_word, texture_said, _ = choices
    words = []
    if size_said < 0.6:
        size = "large" if scenes.size[row, number] else "small"
        words.append(WORDS[size][int(2 * size_word)])
    if scenes.texture[row, number]:
        if texture_said < 0.8:
            words.append("striped")
    elif texture_said < 0.2:
        words.append("plain")
    words += [list(COLOURS)[scenes.colour[row, number]], SHAPES[scenes.shape[row, number]]]
    article = "an" if words[0][0] in "aeiou" else "a"
    return " ".join([article, *words])
