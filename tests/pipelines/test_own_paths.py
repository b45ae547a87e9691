"""Nothing of a user's lies where the pipeline writes: what is refused, and that nothing is lost."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from pipelines.prepare import prepare
from pipelines.settings import DataSettings, Settings, own_paths
from pipelines.shared.errors import UserError
from tests.projects import make_project, run

ROOT = Path(__file__).parents[2]


def settings(path: str, key: str = "cats", weights: str | None = None) -> Settings:
    data = {key: {"source": "folder", "path": path}, "dogs": {"source": "tfds"}}
    return Settings.model_validate({"data": data, "systems": {}, "metrics": {"weights": weights}})


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "home" / "project"
    for folder in ("data/raw/cats", "data/cats/more", "models/vae", "mine", ".git"):
        (root / folder).mkdir(parents=True)
    (root / "link").symlink_to(root / "data" / "cats")
    (root / "exports").symlink_to(tmp_path / "home" / "results")
    (tmp_path / "home" / "results").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for variable in ("TFDS_DATA_DIR", "GM_KERAS_DOWNLOAD_DIR"):
        monkeypatch.delenv(variable, raising=False)
    return root


@pytest.mark.parametrize(
    ("path", "relation"),
    [
        ("data/cats", "is data/cats"),
        ("./data//cats/", "is data/cats"),
        ("mine/../data/cats", "is data/cats"),
        ("~/project/data/cats", "is data/cats"),
        ("../project/data/cats", "is data/cats"),
        ("link", "is data/cats"),
        ("data/cats/more", "lies in data/cats"),
        ("link/more", "lies in data/cats"),
        ("data/cats/not/there/yet", "lies in data/cats"),
        ("data", "holds data/cats"),
        (".", "holds data/cats"),
        ("..", "holds data/cats"),
        ("/", "holds data/cats"),
        ("data/dogs", "is data/dogs"),
        ("models", "is models"),
        ("models/vae", "lies in models"),
        ("exports", "is exports"),
        ("~/results", "is exports"),
        ("reports/vae", "lies in reports"),
        ("checkpoints/x.npz", "lies in checkpoints"),
        (".git", "is .git"),
        ("mlruns/1", "lies in mlruns"),
    ],
)
def test_places_of_outputs_are_refused(project: Path, path: str, relation: str):
    with pytest.raises(UserError) as error:
        own_paths.check(settings(path), project)
    message = str(error.value)
    assert message.startswith("params.yaml: data.cats.path: ")
    assert relation in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "path", ["mine", "data/raw/cats", "data/raw", "data/cats2", "data/cats.npz", "../other", "~/x"]
)
def test_other_places_are_not(project: Path, path: str):
    own_paths.check(settings(path), project)


def test_a_folder_behind_an_output_is_refused(project: Path, tmp_path: Path):
    shutil.rmtree(project / "data" / "cats")
    (tmp_path / "pictures").mkdir()
    (project / "data" / "cats").symlink_to(tmp_path / "pictures")
    for path in (tmp_path / "pictures", tmp_path / "pictures" / "small", tmp_path):
        with pytest.raises(UserError, match="data/cats, which the pipeline replaces"):
            own_paths.check(settings(str(path)), project)


def test_other_files_of_the_user(project: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(UserError, match=r"metrics.weights: .* lies in extractors, which"):
        own_paths.check(settings("mine", weights="extractors/cats/inception.npz"), project)
    # TFDS would build the data set of this name where its arrays go.
    monkeypatch.setenv("TFDS_DATA_DIR", "data")
    with pytest.raises(UserError, match=r"^TFDS_DATA_DIR: .* holds data/cats, which"):
        own_paths.check(settings("mine"), project)


@pytest.mark.parametrize("path", ["~nobody-of-this-name/x", "a\0b"])
def test_paths_that_are_none(project: Path, path: str):
    with pytest.raises(UserError, match=r"data\.cats\.path: .* is no path"):
        own_paths.check(settings(path), project)


def test_every_output_of_the_stages_is_known():
    stages = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for stage in stages.values():
        stage = stage.get("do", stage)
        for kind in ("outs", "metrics", "plots"):
            for output in stage.get(kind, ()):
                path = output if isinstance(output, str) else next(iter(output))
                first = path.split("/")[0]
                assert path == "data/${key}" or first in own_paths.OUTPUTS


def images(folder: Path) -> dict[str, bytes]:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(12):
        np.save(folder / f"mine{number}.npy", np.full((3, 3), number))
    return content(folder)


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_prepare_replaces_only_what_it_wrote(tmp_path: Path):
    np.save(tmp_path / "points.npy", np.random.default_rng(0).normal(size=(30, 2)))
    chosen, output = DataSettings(source="folder", path="points.npy"), tmp_path / "data" / "own"
    prepare("own", chosen, output, tmp_path)
    prepare("own", chosen, output, tmp_path)
    (output / ".DS_Store").write_bytes(b"")
    prepare("own", chosen, output, tmp_path)
    (output / "dataset.json").write_text("damaged")
    prepare("own", chosen, output, tmp_path)
    for name in ("cat.png", "train_images.txt", "notes"):
        (output / name).write_text("mine")
        with pytest.raises(UserError, match=f"own holds {name}, which `prepare` did not write"):
            prepare("own", chosen, output, tmp_path)
        (output / name).unlink()
    (output / "dataset.json").unlink()
    before = content(output)
    with pytest.raises(UserError, match=r"own holds test_features.npy"):
        prepare("own", chosen, output, tmp_path)
    assert content(output) == before


def test_dvc_deletes_no_picture(tmp_path: Path):
    """As a user would lose them: in the place of the output, with one stage or all before it."""
    params = "backend: jax\nseed: 0\ndata: {cats: {source: folder, path: PATH}}\nsystems: {}\n"
    project = make_project(tmp_path, params.replace("PATH", "data/cats"))
    before = images(project / "data" / "cats")
    for command in (
        ["dvc", "repro", "prepare@cats"],
        ["dvc", "repro", "-f", "--single-item", "prepare@cats"],
        ["python", "-m", "pipelines.prepare", "cats"],
    ):
        (project / "build").mkdir(exist_ok=True)
        (project / "build" / "checked").write_text("of an earlier params.yaml\n")
        done = run(project, *command)
        assert done.returncode != 0
        assert "error: params.yaml: data.cats.path: " in done.stderr
        assert "Traceback" not in done.stderr
        assert content(project / "data" / "cats") == before
    # Pictures where an output goes that is made of something else.
    (project / "params.yaml").write_text(params.replace("PATH", "elsewhere.npz"))
    np.savez(project / "elsewhere.npz", x=np.random.default_rng(0).normal(size=(30, 2)))
    done = run(project, "dvc", "repro", "prepare@cats")
    assert "cats holds mine0.npy, which `prepare` did not write" in done.stderr
    assert content(project / "data" / "cats") == before
