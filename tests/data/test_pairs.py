"""Pairs for translation: edges of images, images side by side, two folders, two arrays."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from gm_keras.data import PreparedData
from gm_keras.data.pairs import edge_map
from pipelines.prepare import prepare
from pipelines.settings import DataSettings
from pipelines.shared.errors import UserError

RANDOM = np.random.default_rng(0)


def pictures(n: int, *shape: int) -> np.ndarray:
    return RANDOM.integers(0, 256, (n, *shape), "uint8")


def save(folder: Path, images: np.ndarray, kind: str = "png", first: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, image in enumerate(images, start=first):
        Image.fromarray(image).save(folder / f"{number:03}.{kind}")


def prepared(path: Path, pairs: str, **options) -> PreparedData:
    settings = DataSettings(source="folder", path=str(path), pairs=pairs, **options)
    prepare("own", settings, path.parent / "own")
    return PreparedData(path.parent / "own")


def pairs_of(data: PreparedData) -> dict[bytes, bytes]:
    """From the bytes of each source to those of its target."""
    return {
        source.tobytes(): target.tobytes()
        for split in data.info["splits"]
        for source, target in zip(
            data.arrays(split)["source"], data.arrays(split)["target"], strict=True
        )
    }


def expected(sources: np.ndarray, targets: np.ndarray) -> dict[bytes, bytes]:
    return {a.tobytes(): b.tobytes() for a, b in zip(sources, targets, strict=True)}


@pytest.mark.parametrize(("levels", "channels"), [(256, 1), (256, 3), (17, 1), (2, 1)])
def test_edges_are_those_of_sobel(levels: int, channels: int):
    image = RANDOM.integers(0, levels, (9, 7, channels), "uint8")
    grey = image[..., 0] if channels == 1 else image @ np.array([0.299, 0.587, 0.114])
    across, down = (ndimage.sobel(grey / (levels - 1.0), axis, mode="nearest") for axis in (0, 1))
    magnitude = np.minimum(np.hypot(across, down) / 4.0, 1.0)
    found = edge_map(image, levels)
    assert (found.shape, found.dtype) == ((9, 7, 1), np.uint8)
    np.testing.assert_allclose(found[..., 0], 255.0 * magnitude, atol=0.5 + 1e-9)


def test_an_edge_by_hand():
    image = np.zeros((5, 6, 1), "uint8")
    image[:, 3:] = 16
    row = edge_map(image, 17)[2, :, 0].tolist()
    assert row == [0, 0, 255, 255, 0, 0]
    assert edge_map(image // 2, 17)[0, :, 0].tolist() == [0, 0, 128, 128, 0, 0]
    assert edge_map(np.full((4, 4, 3), 200, "uint8"), 256).max() == 0


def test_edges_of_a_data_set_of_tfds(tmp_path: Path):
    prepare("edges", DataSettings(path="digits", pairs="edges"), tmp_path / "edges")
    prepare("digits", DataSettings(), tmp_path / "digits")
    pairs, plain = PreparedData(tmp_path / "edges"), PreparedData(tmp_path / "digits")
    assert (pairs.primary, pairs.levels, pairs.num_classes) == ("target", 17, 10)
    assert (pairs.levels_of("source"), pairs.levels_of("target")) == (256, 17)
    assert pairs.shape("source") == pairs.shape("target") == pairs.example_shape == (8, 8, 1)
    assert list(pairs.info["fields"]) == ["source", "target", "label"]
    assert pairs.info["fields"]["source"] == {"shape": [8, 8, 1], "dtype": "uint8", "levels": 256}
    for split in plain.info["splits"]:
        found, images = pairs.arrays(split), plain.arrays(split)
        np.testing.assert_array_equal(found["target"], images["image"])
        np.testing.assert_array_equal(found["label"], images["label"])
        for edges, image in zip(found["source"], images["image"], strict=True):
            np.testing.assert_array_equal(edges, edge_map(image, 17))
    for field, highest in (("source", 255), ("target", 16)):
        scaled = pairs.scaled("test", field)
        assert (scaled.dtype, scaled.min(), scaled.max()) == (np.float32, -1.0, 1.0)
        raw = pairs.arrays("test")[field]
        np.testing.assert_allclose(scaled, 2.0 * raw / highest - 1.0, atol=1e-6)


def test_edges_of_arrays_and_of_a_folder(tmp_path: Path):
    images = pictures(20, 6, 6, 3)
    np.savez(tmp_path / "a.npz", image=images, label=np.arange(20) % 2)
    data = prepared(tmp_path / "a.npz", "edges")
    assert (data.shape("source"), data.shape("target")) == ((6, 6, 1), (6, 6, 3))
    edges = np.stack([edge_map(image, 256) for image in images])
    assert pairs_of(data) == expected(edges, images)
    save(tmp_path / "folder", images)
    assert pairs_of(prepared(tmp_path / "folder", "edges")) == expected(edges, images)
    # Only 0 and 1: two levels, although no one said so.
    np.savez(tmp_path / "b.npz", image=images[..., 0] > 127)
    np.savez(tmp_path / "c.npz", image=(images[..., 0] > 127).astype("uint8"))
    for name in ("b.npz", "c.npz"):
        data = prepared(tmp_path / name, "edges")
        assert (data.levels, data.levels_of("source")) == (2, 256)
        assert data.arrays("train")["source"].max() == 255


def test_edges_need_images(tmp_path: Path):
    np.savez(tmp_path / "x.npz", x=np.ones((20, 2)))
    np.savez(tmp_path / "p.npz", source=pictures(20, 4, 4), target=pictures(20, 4, 4))
    for file, has in (("x.npz", "has features"), ("p.npz", "has source, target")):
        with pytest.raises(UserError, match=f"pairs: edges needs images, but folder:{file} {has}"):
            prepared(tmp_path / file, "edges")
    with pytest.raises(UserError, match="pairs: edges needs images, but tfds:moons has features"):
        prepare("moons", DataSettings(pairs="edges"), tmp_path / "moons")


def test_side_by_side(tmp_path: Path):
    left, right = pictures(12, 6, 4, 3), pictures(12, 6, 4, 3)
    save(tmp_path / "p", np.concatenate([left, right], axis=2))
    data = prepared(tmp_path / "p", "side_by_side")
    assert (data.primary, data.example_shape, data.levels) == ("target", (6, 4, 3), 256)
    assert pairs_of(data) == expected(left, right)


def test_side_by_side_with_classes_splits_and_image_size(tmp_path: Path):
    for split, n in (("train", 12), ("test", 3)):
        for number, name in enumerate(("a", "b")):
            both = np.zeros((n, 6, 12), "uint8")
            both[:, :, :6], both[:, :, 6:] = 50 + number, 100 + number
            save(tmp_path / "p" / split / name, both)
    save(tmp_path / "p" / "train" / "a", np.zeros((1, 8, 30), "uint8"), first=50)
    with pytest.raises(UserError, match="images must have one size"):
        prepared(tmp_path / "p", "side_by_side")
    data = prepared(tmp_path / "p", "side_by_side", image_size=4)
    assert data.info["splits"] == {"train": 23, "validation": 2, "test": 6}
    arrays = data.arrays("test")
    assert arrays["source"].shape == (6, 4, 4, 1)
    for field, low in (("source", 50), ("target", 100)):
        np.testing.assert_array_equal(arrays[field][:, 0, 0, 0], low + arrays["label"])


def test_two_folders(tmp_path: Path):
    small, large = pictures(12, 4, 4), pictures(12, 8, 8, 3)
    save(tmp_path / "p" / "source", small)
    save(tmp_path / "p" / "target", large, kind="bmp")
    data = prepared(tmp_path / "p", "folders")
    assert (data.shape("source"), data.shape("target")) == ((4, 4, 1), (8, 8, 3))
    assert pairs_of(data) == expected(small, large)
    data = prepared(tmp_path / "p", "folders", image_size=2)
    assert (data.shape("source"), data.shape("target")) == ((2, 2, 1), (2, 2, 3))


def test_two_folders_in_each_split(tmp_path: Path):
    every = {}
    for split, n in (("train", 12), ("val", 3), ("test", 2)):
        every[split] = pictures(n, 4, 4), pictures(n, 4, 4)
        for side, images in zip(("source", "target"), every[split], strict=True):
            save(tmp_path / "p" / split / side / "deeper", images)
    data = prepared(tmp_path / "p", "folders")
    assert data.info["splits"] == {"train": 12, "validation": 3, "test": 2}
    for split, name in (("train", "train"), ("validation", "val"), ("test", "test")):
        for number, side in enumerate(("source", "target")):
            found = data.arrays(split)[side][..., 0]
            np.testing.assert_array_equal(found, every[name][number])


def error(path: Path, pairs: str = "folders") -> str:
    with pytest.raises(UserError) as caught:
        prepared(path, pairs)
    assert "\n" not in str(caught.value)
    assert not (path.parent / "own").exists()
    return str(caught.value)


def test_pairs_that_cannot_be_understood(tmp_path: Path):
    save(tmp_path / "a" / "source", pictures(12, 4, 4))
    assert "has no target/: pairs: folders needs" in error(tmp_path / "a")
    save(tmp_path / "a" / "target", pictures(11, 4, 4))
    assert "source/011.png has no partner of that name in" in error(tmp_path / "a")
    save(tmp_path / "a" / "target", pictures(2, 4, 4), first=11)
    assert "target/012.png has no partner of that name in" in error(tmp_path / "a")
    save(tmp_path / "a" / "source", pictures(1, 5, 4), first=12)
    message = error(tmp_path / "a")
    for part in ("000.png has 4 x 4", "012.png has 4 x 5", "image_size"):
        assert part in message
    save(tmp_path / "a" / "source", pictures(1, 4, 4), kind="bmp")
    assert "has the same name as" in error(tmp_path / "a")
    for side in ("source", "target"):
        save(tmp_path / "b" / "test" / side, pictures(2, 4, 4))
        (tmp_path / "c" / side).mkdir(parents=True)
    assert "has test/ but no train/" in error(tmp_path / "b")
    assert "source has no images" in error(tmp_path / "c")
    save(tmp_path / "d", pictures(12, 4, 5))
    assert "needs an even width, but" in error(tmp_path / "d", "side_by_side")
    np.savez(tmp_path / "e.npz", image=pictures(12, 4, 4))
    for pairs in ("side_by_side", "folders"):
        assert f"pairs: {pairs} is for a folder of images" in error(tmp_path / "e.npz", pairs)
    with pytest.raises(UserError, match="is for a folder of images"):
        prepare("digits", DataSettings(pairs="folders"), tmp_path / "digits")


def test_a_broken_partner_is_named(tmp_path: Path):
    for side in ("source", "target"):
        save(tmp_path / "p" / side, pictures(12, 4, 4))
    (tmp_path / "p" / "target" / "007.png").write_bytes(b"no image")
    assert "target/007.png is no whole image" in error(tmp_path / "p")


def test_two_arrays(make_data):
    low, high = pictures(20, 3, 3), pictures(20, 6, 6, 3)
    data = make_data(source=low, target=high, y=np.arange(20) % 4)
    assert (data.primary, data.example_shape, data.num_classes) == ("target", (6, 6, 3), 4)
    assert pairs_of(data) == expected(low, high)
    data = make_data(source=low > 127, target=high)
    assert (data.levels_of("source"), data.levels) == (2, 256)
    assert set(np.unique(data.scaled("train", "source"))) == {-1.0, 1.0}
