"""Glyphs: letters and digits that can be told from each other, the same every time."""

from pathlib import Path

import numpy as np

from gm_keras.data import PreparedData, tfds_source
from gm_keras.data.builders import glyphs
from pipelines.prepare import prepare
from pipelines.settings import DataSettings


def test_glyphs_fill_the_picture_and_are_not_cut():
    drawn = glyphs.glyphs(720, seed=1)
    images = drawn["image"][..., 0]
    assert np.bincount(drawn["label"]).tolist() == [20] * 36
    assert (np.bincount(drawn["font"]) > 20).all()
    border = np.concatenate(
        [images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1]], axis=1
    )
    assert border.max() < 128
    rows = (images > 64).any(axis=2).sum(axis=1)
    assert 10 <= rows.min() <= rows.max() <= 27
    # Ink on less than half, and something on every one.
    share = (images > 64).mean(axis=(1, 2))
    assert 0.03 < share.min() < share.max() < 0.5


def test_no_two_glyphs_of_a_face_are_the_same():
    distances, _ = glyphs.outlines()
    for face, fields in zip(glyphs.FACES, distances, strict=True):
        filled = fields < 0.0
        for first in range(len(filled)):
            for second in range(first):
                apart = (filled[first] ^ filled[second]).sum()
                assert apart > 0.05 * filled[first].sum(), (face, first, second)


def test_slant_and_weight_do_what_they_say():
    drawn = glyphs.glyphs(2_000, seed=2)
    images = drawn["image"][..., 0] / 255.0
    y, x = np.mgrid[:28, :28]
    # The letter I of faces without serifs is a line: where its upper and lower halves lie tells its slant.
    face = np.isin(
        drawn["font"], [list(glyphs.FACES).index(name) for name in ("DejaVuSans", "cmss10")]
    )
    lines = np.flatnonzero(face & (drawn["label"] == glyphs.CLASSES.index("I")))
    leaning = []
    for row in lines:
        ink = images[row]
        middle = (ink * y).sum() / ink.sum()
        centred = ink * (x - (ink * x).sum() / ink.sum())
        leaning.append(-(centred * (y - middle)).sum() / (ink * (y - middle) ** 2).sum())
    assert len(lines) > 5
    assert np.corrcoef(leaning, drawn["slant"][lines])[0, 1] > 0.9
    same = drawn["font"] == 0
    ink = (images[same] > 0.4).mean(axis=(1, 2)) / drawn["height"][same]
    assert np.corrcoef(ink, drawn["weight"][same])[0, 1] > 0.4


def test_glyphs_through_tfds(tmp_path: Path, monkeypatch):
    class Few(glyphs.Glyphs, skip_registration=True):
        EXAMPLES = dict.fromkeys(glyphs.EXAMPLES, 72)

    monkeypatch.setitem(tfds_source.BUILDERS, "glyphs", Few)
    prepare("glyphs", DataSettings(), tmp_path / "glyphs")
    data = PreparedData(tmp_path / "glyphs")
    assert data.info["splits"] == dict.fromkeys(("train", "validation", "test"), 72)
    assert (data.example_shape, data.levels, data.num_classes) == ((28, 28, 1), 256, 36)
    assert data.names("label") == list(glyphs.CLASSES)
    assert data.names("font") == list(glyphs.FACES)
    drawn = glyphs.glyphs(72, seed=2)
    place = {image.tobytes(): row for row, image in enumerate(drawn["image"])}
    order = [place[image.tobytes()] for image in data.arrays("test")["image"]]
    assert sorted(order) == list(range(72))
    known = {**data.attributes("test"), "label": data.arrays("test")["label"]}
    assert set(known) == {"label", "font", "slant", "weight", "height"}
    for name, values in known.items():
        np.testing.assert_array_equal(values, drawn[name][order])
