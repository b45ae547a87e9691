"""A user's own folder of images."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gm_keras.data import PreparedData
from gm_keras.fields import captions
from pipelines.prepare import prepare
from pipelines.settings import DataSettings
from pipelines.shared.errors import UserError

RANDOM = np.random.default_rng(0)


def save(path: Path, n: int = 12, shape: tuple[int, ...] = (6, 5), kind: str = "png") -> np.ndarray:
    """Writes n random images; returns them in the order of their names."""
    path.mkdir(parents=True, exist_ok=True)
    images = RANDOM.integers(0, 256, (n, *shape), "uint8")
    for number, image in enumerate(images):
        Image.fromarray(image).save(path / f"{number:03}.{kind}")
    return images


def prepared(path: Path, image_size: int | None = None) -> PreparedData:
    settings = DataSettings(source="folder", path=str(path), image_size=image_size)
    prepare("own", settings, path.parent / "own")
    return PreparedData(path.parent / "own")


def error(path: Path, **options: int) -> str:
    with pytest.raises(UserError) as caught:
        prepared(path, **options)
    assert "\n" not in str(caught.value)
    assert not (path.parent / "own").exists()
    return str(caught.value)


def every(data: PreparedData, field: str = "image") -> np.ndarray:
    return np.concatenate([data.arrays(split)[field] for split in data.info["splits"]])


def test_grey_images_without_classes(tmp_path: Path):
    images = save(tmp_path / "pictures")
    (tmp_path / "pictures" / "notes.txt").write_text("not an image")
    (tmp_path / "pictures" / ".hidden.png").write_text("neither")
    data = prepared(tmp_path / "pictures")
    assert (data.example_shape, data.levels, data.num_classes) == ((6, 5, 1), 256, None)
    assert sorted(map(bytes, every(data))) == sorted(map(bytes, images))


def test_colour_if_one_has_it(tmp_path: Path):
    save(tmp_path / "pictures", n=11)
    Image.new("RGB", (5, 6), (1, 2, 3)).save(tmp_path / "pictures" / "z.png")
    data = prepared(tmp_path / "pictures")
    assert data.example_shape == (6, 5, 3)
    assert [1, 2, 3] in every(data)[:, 0, 0].tolist()


@pytest.mark.parametrize("kind", ["jpg", "webp", "bmp", "gif"])
def test_formats(tmp_path: Path, kind: str):
    save(tmp_path / "pictures", shape=(6, 5, 3), kind=kind)
    assert prepared(tmp_path / "pictures").example_shape == (6, 5, 3)


def test_subfolders_are_classes_in_the_order_of_their_names(tmp_path: Path):
    cats, ants = save(tmp_path / "p" / "cats", n=9), save(tmp_path / "p" / "ants", n=8)
    data = prepared(tmp_path / "p")
    assert data.info["class_names"] == ["ants", "cats"]
    images, labels = every(data), every(data, "label")
    assert sorted(map(bytes, images[labels == 0])) == sorted(map(bytes, ants))
    assert sorted(map(bytes, images[labels == 1])) == sorted(map(bytes, cats))


def test_subfolders_can_be_splits(tmp_path: Path):
    save(tmp_path / "p" / "train" / "a")
    save(tmp_path / "p" / "train" / "b", n=8)
    test = save(tmp_path / "p" / "test" / "b", n=3)
    data = prepared(tmp_path / "p")
    assert data.info["splits"] == {"train": 18, "validation": 2, "test": 3}
    np.testing.assert_array_equal(data.arrays("test")["image"][..., 0], test)
    assert data.arrays("test")["label"].tolist() == [1, 1, 1]


def test_different_sizes_are_refused_or_cut_to_one(tmp_path: Path):
    save(tmp_path / "p", n=11)
    Image.new("L", (9, 7)).save(tmp_path / "p" / "last.png")
    message = error(tmp_path / "p")
    for part in ("000.png has 5 x 6", "last.png has 9 x 7", "image_size"):
        assert part in message
    assert prepared(tmp_path / "p", image_size=4).example_shape == (4, 4, 1)


def test_cutting_keeps_the_centre(tmp_path: Path):
    wide = np.zeros((8, 24), "uint8")
    wide[:, 8:16] = 250
    for number in range(10):
        (tmp_path / "p").mkdir(exist_ok=True)
        Image.fromarray(wide).save(tmp_path / "p" / f"{number}.png")
    assert every(prepared(tmp_path / "p", image_size=8)).min() == 250


def test_transparency_rotation_and_sixteen_bits(tmp_path: Path):
    folder = tmp_path / "p"
    folder.mkdir()
    for number in range(8):
        Image.new("RGB", (4, 4), (9, 9, 9)).save(folder / f"{number}.png")
    Image.new("RGBA", (4, 4), (255, 0, 0, 0)).save(folder / "clear.png")
    Image.fromarray(np.full((4, 4), 40000, "uint16")).save(folder / "deep.png")
    values = {tuple(pixel) for pixel in every(prepared(folder))[:, 0, 0].tolist()}
    assert values == {(9, 9, 9), (255, 255, 255), (156, 156, 156)}
    rotated = Image.new("L", (3, 5))
    exif = rotated.getexif()
    exif[0x0112] = 6  # the camera was held upright
    for number in range(10):
        (tmp_path / "r").mkdir(exist_ok=True)
        rotated.save(tmp_path / "r" / f"{number}.jpg", exif=exif)
    assert prepared(tmp_path / "r").example_shape == (3, 5, 1)


def mixed(folder: Path) -> Path:
    """Pictures of every kind and of several sizes."""
    folder.mkdir()
    for number in range(8):
        Image.new("RGB", (8, 8 + number), (9, 9, 9)).save(folder / f"{number}.png")
    Image.new("L", (8, 8), 70).save(folder / "grey.png")
    Image.new("LA", (8, 8), (0, 0)).save(folder / "clear grey.png")
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(folder / "clear.png")
    Image.fromarray(np.full((8, 8), 40000, "uint16")).save(folder / "deep.png")
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 50, 60, 70])
    palette.save(folder / "palette.png")
    turned = Image.new("RGB", (20, 8), (9, 9, 9))
    exif = turned.getexif()
    exif[0x0112] = 6
    turned.save(folder / "turned.jpg", exif=exif)
    return folder


@pytest.mark.parametrize(("background", "shade"), [("white", 255), ("black", 0)])
def test_pictures_of_every_kind_and_how_many_of_each(
    tmp_path: Path, capsys: pytest.CaptureFixture, background: str, shade: int
):
    folder = mixed(tmp_path / "p")
    settings = DataSettings(source="folder", path=str(folder), image_size=8, background=background)
    prepare("own", settings, tmp_path / "own")
    found = {tuple(pixel) for pixel in every(PreparedData(tmp_path / "own"))[:, 4, 4].tolist()}
    deep = (156, 156, 156)
    assert found == {(9, 9, 9), (70, 70, 70), (shade,) * 3, deep, (50, 60, 70)}
    told = next(line for line in capsys.readouterr().err.splitlines() if "found" in line)
    assert (
        "found 14 images: 9 RGB, 2 transparent, 1 grey, 1 grey of 16 bits, 1 with a palette" in told
    )
    assert f"they become RGB, on {background} where they are transparent; 1 turned as" in told
    assert "9 sizes from 8 x 8 to 8 x 20, scaled and cut to 8 x 8" in told


def test_a_background_is_of_pictures(tmp_path: Path):
    np.savez(tmp_path / "own.npz", x=np.ones((20, 2)))
    settings = DataSettings(source="folder", path="own.npz", background="black")
    with pytest.raises(UserError, match="background is for images in a folder"):
        prepare("own", settings, tmp_path / "own", tmp_path)


@pytest.mark.parametrize("kind", ["png", "jpg"])
@pytest.mark.parametrize("keep", [0.0, 0.1, 0.7])
def test_a_truncated_image_is_named(tmp_path: Path, kind: str, keep: float):
    save(tmp_path / "p", shape=(40, 40), kind=kind)
    file = tmp_path / "p" / f"005.{kind}"
    content = file.read_bytes()
    file.write_bytes(content[: int(keep * len(content))])
    assert f"005.{kind} is no whole image" in error(tmp_path / "p")


def test_a_file_that_is_no_image_is_named(tmp_path: Path):
    save(tmp_path / "p")
    (tmp_path / "p" / "page.jpg").write_text("<html>not found</html>")
    assert "page.jpg is no whole image (cannot identify" in error(tmp_path / "p")


def test_folders_that_cannot_be_understood(tmp_path: Path):
    (tmp_path / "empty").mkdir()
    assert "empty has no images (.png" in error(tmp_path / "empty")
    save(tmp_path / "few", n=9)
    assert "9 examples to train on are too few" in error(tmp_path / "few")
    save(tmp_path / "mixed")
    save(tmp_path / "mixed" / "a", n=1)
    assert "images beside the subfolder a/" in error(tmp_path / "mixed")
    save(tmp_path / "halves" / "train")
    save(tmp_path / "halves" / "cats")
    assert "train/, which is a split, beside other images" in error(tmp_path / "halves")
    save(tmp_path / "untrained" / "test")
    assert "has test/ but no train/" in error(tmp_path / "untrained")
    for name in ("train/a", "train/b", "test/b", "test/c"):
        save(tmp_path / "classes" / name)
    assert "class c of test/ is not in train/" in error(tmp_path / "classes")
    save(tmp_path / "unlabelled" / "train" / "a")
    save(tmp_path / "unlabelled" / "train" / "b")
    save(tmp_path / "unlabelled" / "test")
    assert "must both have classes" in error(tmp_path / "unlabelled")


def test_classes_are_in_natural_order(tmp_path: Path):
    names = ["0", "1", "2", "10", "11", "B", "a2", "a10", "ä"]
    marks = {}
    for name in reversed(names):
        marks[name] = {image.tobytes() for image in save(tmp_path / "p" / name, n=4)}
    data = prepared(tmp_path / "p")
    assert data.info["class_names"] == names
    for image, label in zip(every(data), every(data, "label"), strict=True):
        assert image.tobytes() in marks[names[label]]


def test_a_small_test_set_has_every_class(tmp_path: Path):
    for name in range(12):
        save(tmp_path / "p" / str(name), n=10, shape=(2, 2))
    data = prepared(tmp_path / "p")
    for split in ("validation", "test"):
        assert sorted(data.arrays(split)["label"]) == list(range(12))


def test_names_that_are_not_utf_8(tmp_path: Path, capsys: pytest.CaptureFixture):
    folder = tmp_path / "bücher"
    images = save(folder / os.fsdecode(b"gr\xfcn"), n=6)
    save(folder / "blue\n", n=6)
    (folder / os.fsdecode(b"gr\xfcn") / "000.png").rename(
        folder / os.fsdecode(b"gr\xfcn") / os.fsdecode(b"\xe4.png")
    )
    (folder / os.fsdecode(b"l\xe4r")).mkdir()
    data = prepared(folder)
    assert data.info["class_names"] == [r"blue\n", r"gr\xfcn"]
    assert data.info["source"] == "folder:bücher"
    found = every(data)[every(data, "label") == 1]
    assert sorted(map(bytes, found)) == sorted(map(bytes, images))
    told = [line for line in capsys.readouterr().err.splitlines() if "no class for" in line]
    assert told[0].startswith(r"note: data.own: ")
    assert r"bücher: no class for l\xe4r/: no images" in told[0]
    (folder / "blue\n" / "000.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"bücher/blue.n/000.png is no whole image") as caught:
        prepared(folder)
    assert str(caught.value).isprintable()


def test_the_version_is_that_of_the_names_and_the_content(tmp_path: Path):
    save(tmp_path / "p")
    first = prepared(tmp_path / "p").info["version"]
    (tmp_path / "p" / "000.png").rename(tmp_path / "p" / os.fsdecode(b"\xe4.png"))
    second = prepared(tmp_path / "p").info["version"]
    (tmp_path / "p" / os.fsdecode(b"\xe4.png")).rename(tmp_path / "p" / os.fsdecode(b"\xe5.png"))
    assert len({first, second, prepared(tmp_path / "p").info["version"]}) == 3


def test_links_to_folders_are_followed(tmp_path: Path, capsys: pytest.CaptureFixture):
    cats, ants = save(tmp_path / "cats"), save(tmp_path / "ants")
    more = save(tmp_path / "p" / "cats" / "own", n=3)
    (tmp_path / "p" / "cats" / "linked").symlink_to(tmp_path / "cats")
    (tmp_path / "p" / "ants").symlink_to(tmp_path / "ants")
    (tmp_path / "p" / "cats" / "own" / "back").symlink_to(tmp_path / "p")
    save(tmp_path / "p" / "cats" / ".hidden")
    data = prepared(tmp_path / "p")
    assert data.info["class_names"] == ["ants", "cats"]
    images, labels = every(data), every(data, "label")
    assert sorted(map(bytes, images[labels == 0])) == sorted(map(bytes, ants))
    assert sorted(map(bytes, images[labels == 1])) == sorted(map(bytes, [*cats, *more]))
    assert (
        "own/back leads back to a folder that it lies in: not followed" in capsys.readouterr().err
    )


def test_a_folder_that_is_called_as_a_picture(tmp_path: Path):
    images = save(tmp_path / "p" / "cats.png")
    save(tmp_path / "p" / "dogs.png", n=3)
    data = prepared(tmp_path / "p")
    assert data.info["class_names"] == ["cats.png", "dogs.png"]
    assert sorted(map(bytes, every(data)[every(data, "label") == 0])) == sorted(map(bytes, images))


def test_few_pictures_are_told(tmp_path: Path, capsys: pytest.CaptureFixture):
    for name in "abc":
        save(tmp_path / "p" / name, n=4)
    prepared(tmp_path / "p")
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert any(
        "10 examples to train on, 1 to validate, 1 to test: most scores" in line for line in told
    )
    assert any("test has no example of 2 classes: " in line for line in told)


def test_other_modes_and_names_with_blanks(tmp_path: Path):
    folder = tmp_path / "Größere Bilder (1)"
    folder.mkdir()
    for number in range(8):
        Image.new("RGB", (4, 4), (9, 9, 9)).save(folder / f"ein Bild {number}.png")
    Image.new("CMYK", (4, 4), (255, 0, 0, 0)).save(folder / "druck.jpg")
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 50, 60, 70])
    palette.save(folder / "palette.png")
    palette.save(folder / "durchsichtig.png", transparency=1)
    Image.new("1", (4, 4), 1).save(folder / "bit.png")
    moving = [Image.new("RGB", (4, 4), (0, 0, shade)) for shade in (200, 100)]
    moving[0].save(folder / "bewegt.gif", save_all=True, append_images=moving[1:])
    found = [tuple(pixel) for pixel in every(prepared(folder))[:, 0, 0].tolist()]
    assert found.count((9, 9, 9)) == 8
    assert found.count((255, 255, 255)) == 2
    assert {(50, 60, 70), (0, 0, 200)} <= set(found)
    assert any(red < 10 and green > 245 and blue > 245 for red, green, blue in found)


def test_a_text_beside_each_image_is_its_caption(tmp_path: Path):
    texts = {
        bytes(image): f"Bild {number}, 像" for number, image in enumerate(save(tmp_path / "p"))
    }
    for number, text in enumerate(texts.values()):
        (tmp_path / "p" / f"{number:03}.txt").write_text(f"{text}\n", encoding="utf-8")
    data = prepared(tmp_path / "p")
    assert list(data.info["fields"]) == ["image", "caption"]
    for image, text in zip(every(data), captions.decode(every(data, "caption")), strict=True):
        assert texts[bytes(image)] == text
    before = data.info["version"]
    (tmp_path / "p" / "003.txt").write_text("another", encoding="utf-8")
    assert prepared(tmp_path / "p").info["version"] != before


def test_captions_that_are_missing_or_no_text(tmp_path: Path):
    save(tmp_path / "p")
    (tmp_path / "p" / "003.txt").write_text("one")
    assert "000.png has no caption, but 1 of 12 images have one: add 000.txt" in error(
        tmp_path / "p"
    )
    for number in range(12):
        (tmp_path / "p" / f"{number:03}.txt").write_bytes(b"\xff\xfe")
    assert "000.txt is not UTF-8: byte 0; convert it" in error(tmp_path / "p")
