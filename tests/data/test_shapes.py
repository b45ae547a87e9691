"""Shapes: pictures, captions, masks and attributes say the same."""

import re
from pathlib import Path

import numpy as np
import pytest

from gm_keras.data import PreparedData, tfds_source
from gm_keras.data.builders import shapes
from gm_keras.data.builders.shapes import grammar, scenes
from gm_keras.fields import captions
from pipelines.prepare import prepare
from pipelines.settings import DataSettings

N = 600
COLOURS, SHAPES = list(shapes.COLOURS), shapes.SHAPES

THING = re.compile(
    r"(an?) (?:(small|little|large|big) )?(?:(striped|plain) )?"
    f"({'|'.join(COLOURS)}) ({'|'.join(SHAPES)})"
)


@pytest.fixture(scope="module", params=["train", "unseen"])
def made(request) -> tuple[dict, dict]:
    return shapes.make(request.param, N)


def test_what_a_caption_says_is_true(made):
    fields, known = made
    placed = related = 0
    for row, caption in enumerate(fields["caption"]):
        things = THING.findall(caption)
        assert len(things) == known["count"][row]
        for number, (article, size, texture, colour, shape) in enumerate(things):
            assert known["colour"][row, number] == 1 + COLOURS.index(colour)
            assert known["shape"][row, number] == 1 + SHAPES.index(shape)
            if size:
                large = size in ("large", "big")
                assert known["size"][row, number] == (2 if large else 1)
                assert (known["radius"][row, number] > 6.0) == large
            if texture:
                assert known["texture"][row, number] == 1 + ["plain", "striped"].index(texture)
            following = size or texture or colour
            assert article == ("an" if following[0] in "aeiou" else "a")
        rest = THING.sub("*", caption)
        (x, y), (other_x, other_y) = known["position"][row, :2]
        words = re.search(r"(?:at|in|on) the (.+?)(?:, \*)?$", rest)
        if words and len(things) == 1:
            placed += 1
            third = {
                "left": x < 32 / 3,
                "right": x > 64 / 3,
                "top": y < 32 / 3,
                "bottom": y > 64 / 3,
            }
            said = words[1].split()
            assert {word for word, holds in third.items() if holds} == set(said) - {"middle"}
        relations = {
            r"\* (to the )?left of \*|\* with \* to its right": x < other_x,
            r"\* (to the )?right of \*|\* with \* to its left": x > other_x,
            r"\* (above|over) \*|\* with \* below it": y < other_y,
            r"\* (below|under) \*|\* with \* above it": y > other_y,
        }
        for words, holds in relations.items():
            if len(things) == 2 and re.search(words, rest):
                related += 1
                assert holds, caption
        # Nothing but what was looked at is said.
        assert re.fullmatch(
            r"((there (is|are)|a picture of) )?\*( (with|and) \*)?( and \*)?(, \* and \*)?"
            r"( (at|on|in) the [a-z ]+)?|(at|on|in) the [a-z ]+, \*"
            r"|(there is )?\* [a-z ]+ \*( [a-z ]+)?",
            rest,
        ), caption
    assert placed > N / 12
    assert related > N / 12


def test_a_mask_and_a_picture_show_what_is_known(made):
    fields, known = made
    palette = np.array(list(shapes.COLOURS.values()), float)
    for row in range(N):
        mask, image = fields["mask"][row, ..., 0], fields["image"][row].astype(float)
        count = known["count"][row]
        assert set(np.unique(mask)) == {0, *known["shape"][row, :count]}
        assert fields["label"][row] == known["shape"][row, 0] - 1
        # Nothing is cut off at the rim.
        assert not mask[[0, -1]].any()
        assert not mask[:, [0, -1]].any()
        for number in range(count):
            x, y = known["position"][row, number]
            assert mask[int(y), int(x)] == known["shape"][row, number]
            if known["texture"][row, number] == 1:
                # Of its own colour rather than of any other.
                near = np.hypot(*(np.mgrid[:32, :32] + 0.5 - np.array([y, x])[:, None, None]))
                colour = image[near < 2.0].mean(axis=0)
                nearest = np.argmin(np.abs(palette - colour).sum(axis=1))
                assert nearest == known["colour"][row, number] - 1


def test_objects_do_not_touch_and_the_main_one_is_the_largest(made):
    _, known = made
    for row in range(N):
        count = known["count"][row]
        positions, radii = known["position"][row, :count], known["radius"][row, :count]
        assert (radii[0] >= radii).all()
        for first in range(count):
            for second in range(first):
                distance = np.hypot(*(positions[first] - positions[second]))
                assert distance > radii[first] + radii[second]
        things = {(known["shape"][row, each], known["colour"][row, each]) for each in range(count)}
        assert len(things) == count


def test_unseen_combinations_are_nowhere_else():
    held = {(1 + SHAPES.index(shape), 1 + COLOURS.index(colour)) for shape, colour in scenes.UNSEEN}
    for seed in range(3):
        drawn = scenes.draw(20_000, seed)
        pairs = np.stack([drawn.shape + 1, drawn.colour + 1], axis=-1)[drawn.there]
        found = set(map(tuple, pairs.tolist()))
        assert not found & held
        # Every other one is there, so that each shape and each colour is learned.
        assert len(found) == len(SHAPES) * len(COLOURS) - len(held)
    _, known = shapes.make("unseen", N)
    main = set(zip(known["shape"][:, 0].tolist(), known["colour"][:, 0].tolist(), strict=True))
    assert main == held
    rest = np.stack([known["shape"], known["colour"]], axis=-1)[:, 1:].reshape(-1, 2)
    assert not set(map(tuple, rest.tolist())) & held


def test_the_same_pictures_every_time():
    for first, second in zip(shapes.make("test", 50), shapes.make("test", 50), strict=True):
        for name in first:
            np.testing.assert_array_equal(first[name], second[name])
    other, _ = shapes.make("validation", 50)
    assert not np.array_equal(other["image"], shapes.make("test", 50)[0]["image"])


def test_places_and_relations_are_named_only_where_they_are_plain():
    assert grammar.place(np.array([3.0, 16.0])) == "on the left"
    assert grammar.place(np.array([16.0, 30.0])) == "at the bottom"
    assert grammar.place(np.array([32 / 3 + 0.3, 16.0])) is None
    assert grammar.relation(np.array([3.0, 16.0]), np.array([20.0, 14.0])) == "left"
    assert grammar.relation(np.array([20.0, 14.0]), np.array([19.0, 3.0])) == "below"
    assert grammar.relation(np.array([3.0, 3.0]), np.array([12.0, 12.0])) is None


def test_shapes_through_tfds(tmp_path: Path, monkeypatch):
    class Few(shapes.Shapes, skip_registration=True):
        EXAMPLES = dict.fromkeys(shapes.EXAMPLES, 12)

    monkeypatch.setitem(tfds_source.BUILDERS, "shapes", Few)
    prepare("shapes", DataSettings(), tmp_path / "shapes")
    data = PreparedData(tmp_path / "shapes")
    assert data.info["splits"] == dict.fromkeys(("train", "validation", "test", "unseen"), 12)
    assert (data.primary, data.example_shape, data.num_classes) == ("image", (32, 32, 3), 6)
    assert data.names("label") == list(SHAPES)
    assert data.names("mask") == list(shapes.CLASSES)
    assert data.names("colour") == ["none", *COLOURS]
    for split in data.info["splits"]:
        fields, known = shapes.make(split, 12)
        arrays = {**data.arrays(split), **data.attributes(split)}
        texts = captions.decode(arrays.pop("caption"))
        order = [fields["caption"].tolist().index(text) for text in texts]
        assert sorted(order) == list(range(12))
        assert set(arrays) == {*fields, *known} - {"caption"}
        for name, values in arrays.items():
            np.testing.assert_array_equal(values, {**fields, **known}[name][order])
