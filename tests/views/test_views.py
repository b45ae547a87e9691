"""What is shown of every field."""

import base64
import io
import wave
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from PIL import Image

from gm_keras import images, views
from gm_keras.fields import FIELDS, captions
from gm_keras.fields.strokes import DOWN, ENDED, UP
from gm_keras.views import tiles

RANDOM = np.random.default_rng(0)
# A square, and a line above it.
DRAWING = np.array(
    [
        [0, 0, DOWN],
        [10, 0, DOWN],
        [0, 10, DOWN],
        [-10, 0, DOWN],
        [0, -10, UP],
        [0, -10, DOWN],
        [10, 0, UP],
        [0, 0, ENDED],
        [0, 0, ENDED],
    ],
    "float32",
)
VALUES = {
    "image": RANDOM.uniform(-1, 1, (5, 6, 4, 3)),
    "features": RANDOM.normal(size=(5, 3)),
    "tokens": RANDOM.integers(0, 9, (5, 7)),
    "audio": RANDOM.uniform(-1, 1, (5, 400)),
    "strokes": np.stack([DRAWING] * 5),
    "video": RANDOM.uniform(-1, 1, (5, 3, 6, 4, 1)),
    "voxels": RANDOM.uniform(-1, 1, (5, 4, 5, 6, 1)),
    "caption": captions.encode(["a", "bc", "über", "", "e f"]),
    "mask": RANDOM.integers(0, 4, (5, 6, 4, 1)),
    "label": RANDOM.integers(0, 4, 5),
}
VALUES |= {"source": VALUES["image"], "target": VALUES["image"]}


@pytest.mark.parametrize("field", FIELDS)
def test_every_field_has_a_sheet_and_views(field: str):
    sheet = views.sheet(field, VALUES[field])
    assert sheet.dtype == np.uint8
    assert sheet.shape[-1] == 3
    assert sheet.ndim == (4 if field == "video" else 3)
    shown = views.each(field, VALUES[field])
    assert len(shown) == 5
    for one in shown:
        kind, content = one.address.removeprefix("data:").split(";base64,")
        assert kind.split(";")[0] == one.media
        assert base64.b64decode(content) == one.content
        if one.media == "image/png":
            Image.open(io.BytesIO(one.content)).load()


def test_classes_of_a_mask_have_colours_of_their_own():
    codes = np.arange(24).reshape(1, 4, 6, 1)
    colours = tiles.masks(codes)
    assert len({tuple(colour) for colour in colours.reshape(-1, 3).tolist()}) == 24
    # The same class, the same colour: whatever other classes there are.
    np.testing.assert_array_equal(tiles.masks(codes[:, :1]), colours[:, :1])


def test_a_drawing_has_its_lines_and_nothing_between_them():
    lines = tiles.lines(DRAWING, 100.0)
    assert [len(line) for line in lines] == [5, 2]
    np.testing.assert_allclose(lines[0][0], lines[0][4])
    every = np.concatenate(lines)
    # As large as the square allows, and in its middle.
    assert np.ptp(every, axis=0).max() == pytest.approx(86.0)
    np.testing.assert_allclose((every.min(axis=0) + every.max(axis=0)) / 2.0, 50.0)
    (image,) = tiles.drawings(DRAWING[None], 50)[..., 0]
    dark = image < 0.0
    x, y = (every[:, 0] / 2).astype(int), (every[:, 1] / 2).astype(int)
    assert dark[y, x].all()
    # Half-way between the line and the square, and within the square.
    assert not dark[int((lines[0][0, 1] + lines[1][0, 1]) / 4), :].any()
    assert not dark[35, 25]
    (svg,) = views.each("strokes", DRAWING[None], size=100)
    path = ET.fromstring(svg.content).find("{http://www.w3.org/2000/svg}path")
    assert path.get("d").count("M") == 2


@pytest.mark.parametrize("value", [DRAWING[7:], DRAWING[:1], DRAWING * np.nan])
def test_drawings_of_nothing_are_drawn(value: np.ndarray):
    assert views.sheet("strokes", value[None]).shape[-1] == 3
    assert views.each("strokes", value[None])


def test_a_film_moves():
    film = np.stack([np.full((1, 4, 4, 1), level) for level in (-1.0, 0.0, 1.0)], axis=1)
    (one,) = views.each("video", film)
    with Image.open(io.BytesIO(one.content)) as picture:
        assert picture.n_frames == 3
        levels = []
        for frame in range(3):
            picture.seek(frame)
            levels.append(picture.convert("L").getpixel((5, 5)))
            assert picture.info["duration"] == images.FRAME
    assert levels == [0, 128, 255]


def test_the_same_film_has_the_same_bytes():
    first, second = (views.each("video", VALUES["video"])[0].content for _ in range(2))
    assert first == second


def test_a_sound_can_be_played():
    tone = np.sin(np.arange(800) / 5.0)
    (one,) = views.each("audio", tone[None], rate=8000)
    with wave.open(io.BytesIO(one.content)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getnframes()) == (8000, 1, 800)
        found = np.frombuffer(file.readframes(800), "<i2")
    np.testing.assert_allclose(found / 2**15, tone, atol=1e-4)
    loud, quiet = tiles.waves(np.stack([tone, 0.1 * tone]))[..., 0]
    assert (loud < 0).sum() > 3 * (quiet < 0).sum()


def test_a_volume_shows_what_is_in_front():
    empty = np.full((1, 8, 8, 8, 3), -1.0)
    assert (tiles.volumes(empty) == 1.0).all()
    # A red wall in front of a green one; `depth` goes away from who looks.
    walls = empty.copy()
    walls[0, 1, :, :, 0] = walls[0, 6, :, :, 1] = 1.0
    (image,) = tiles.volumes(walls)
    middle = image[28:36, 28:36].reshape(-1, 3).mean(axis=0)
    assert middle[0] > middle[1]
    (behind,) = tiles.volumes(walls[:, ::-1])
    assert behind[32, 32, 1] > behind[32, 32, 0]


def test_a_caption_is_below_its_image():
    bare = views.captioned(np.zeros((2, 4, 4, 1)), ["", ""], columns=2)
    page = views.captioned(np.zeros((2, 4, 4, 1)), ["", "a " * 40], columns=2)
    assert page.shape[0] > bare.shape[0]
    assert page.shape[1] == bare.shape[1]
    left, right = np.split(page[160:], 2, axis=1)
    assert (left == 255).all()
    assert (right < 128).any()
    assert [one.content.decode() for one in views.each("caption", VALUES["caption"])][2] == "über"


def test_what_images_were_made_for_is_shown_with_them():
    values = np.ones((2, 4, 4, 3))
    told = {"mask": np.zeros((2, 4, 4, 1), int), "label": np.zeros(2, int)}
    page = views.sheet("image", values, columns=1, told=told)
    # The mask on the left, the image on the right.
    middle = page.shape[1] // 2
    assert (page[10, middle + 10 :] == 255).all()
    assert (page[10, : middle - 10] < 250).all()
    below = views.sheet("image", values, columns=1, told={"caption": captions.encode(["a", "b"])})
    np.testing.assert_array_equal(below, views.captioned(values, ["a", "b"], 1))
