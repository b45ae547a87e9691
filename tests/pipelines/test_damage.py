"""What stages left for each other and was damaged since: one line that names the file and the command, before any work."""

import json
import os
import random

import pytest

from pipelines import evaluate, export
from pipelines.command import comparing
from pipelines.report import inputs
from pipelines.report.inputs import read_system
from pipelines.settings import load_settings
from pipelines.shared import written
from pipelines.shared.errors import UserError
from tests.projects import parts, reported, tiny

#: Of one evaluated system, with the stage that makes it.
FILES = {
    "reports/vae/scores.json": "evaluate@vae",
    "reports/vae/timing.json": "evaluate@vae",
    "reports/vae/samples.json": "evaluate@vae",
    "reports/vae/calibration.json": "evaluate@vae",
    "reports/vae/seeds.json": "evaluate@vae",
    "reports/vae/pictures.json": "evaluate@vae",
    "reports/vae/history.csv": "train@vae",
    "models/vae/run.json": "train@vae",
    "models/vae/model.weights.h5": "train@vae",
    "data/digits/dataset.json": "prepare@digits",
}
NO_JSON = [
    b"",
    b"null",
    b"3",
    b'"text"',
    b"{",
    b'{"a": NaN}',
    b'{"a": "\xff"}',
    b"[" * 100_000,
    b'{"a": ' * 100_000,
    b'{"a": ' + b"9" * 5000 + b"}",
    b'{"a": 1, "a": 2}',
]


@pytest.fixture
def root(tmp_path):
    return reported.make_project(tmp_path)


def told(root, name):
    """The line that reading a system ends with; None if it is read."""
    line = None
    try:
        read_system("vae", load_settings(root / "params.yaml"), root)
    except UserError as error:
        line = str(error)
    if line is not None:
        assert "\n" not in line
        assert len(line) < 300 + len(str(root / name))
        assert str(root / name) in line
        assert FILES[name] in line
    return line


@pytest.mark.parametrize("name", FILES)
def test_any_damage_is_one_line_or_none(root, name):
    path, rng = root / name, random.Random(0)
    content = path.read_bytes()
    for _ in range(15):
        at, size = rng.randrange(len(content)), rng.choice([1, 5, 40])
        noise = rng.randbytes(len(content[at : at + size]))
        path.write_bytes(content[:at] + noise + content[at + size :])
        told(root, name)
    path.unlink()
    path.mkdir()
    if name != "models/vae/model.weights.h5":  # it may be missing
        assert "is a folder" in told(root, name) or name.endswith(".csv")
    path.rmdir()
    os.mkfifo(path)
    if path.suffix == ".json":
        assert "is a pipe" in told(root, name)


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".json")])
def test_what_is_no_json_is_one_line(root, name):
    for content in NO_JSON:
        (root / name).write_bytes(content)
        assert told(root, name) is not None, content[:20]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("scores", {"real": "many"}),
        ("scores", {"real": True}),
        ("scores", {"real": 1e999}),
        ("scores", {"extractor": None}),
        ("scores", {"classifier_fid": "low"}),
        ("scores", {"classifier_fid": [1.0]}),
        ("scores", {"classifier_fid": 1e999}),
        ("scores", {"classifier_fid_stderr": True}),
        ("scores", {"classifier_fid": 10**400}),
        ("scores", {"primary": {"name": ["a"], "value": 1.0}}),
        ("scores", {"primary": "fid"}),
        ("scores", {"left_out": {"fid": 3}}),
        ("scores", {"likelihood": []}),
        ("calibration", {"floor": {"classifier_fid": "low"}}),
        ("calibration", {"ceiling": [1]}),
        ("seeds", {"0": None}),
        ("seeds", {"0": {"classifier_fid": "1.0"}}),
        ("timing", {"samples_per_second": None}),
        ("samples", {"texts": [1]}),
    ],
)
def test_values_of_another_type_are_one_line(root, name, change):
    path = root / f"reports/vae/{name}.json"
    text = json.dumps({**json.loads(path.read_text()), **change})
    path.write_text(text.replace("Infinity", "1e999"))
    assert next(iter(change)) in told(root, f"reports/vae/{name}.json")


@pytest.mark.parametrize(
    "entry",
    [
        {"file": "../scores.json", "title": "a", "alt": "b"},
        {"file": "/etc/passwd", "title": "a", "alt": "b"},
        {"file": None, "title": "a", "alt": "b"},
        {"file": "line.png", "title": 3, "alt": "b"},
        {"title": "a"},
        3,
    ],
)
def test_entries_that_are_no_pictures(root, entry):
    parts.write_json(root / "reports/vae/pictures.json", [entry])
    assert "is not what the stage writes" in told(root, "reports/vae/pictures.json")


def test_a_picture_left_out_is_no_damage(root):
    entry = {"title": "Interpolation", "left_out": "no class has two test examples"}
    parts.write_json(root / "reports/vae/pictures.json", [entry])
    system = read_system("vae", load_settings(root / "params.yaml"), root)
    assert system.latents == []
    assert system.not_drawn == [("Interpolation", "no class has two test examples")]


def test_weights_are_counted_only_where_they_are_whole(root):
    weights = root / "models/vae/model.weights.h5"
    config = {"class": "x", "config": {}, "sha256": {weights.name: "0" * 64}}
    parts.write_json(weights.with_name("config.json"), config)
    with pytest.raises(UserError, match=r"model\.weights\.h5 is damaged"):
        inputs.count_parameters(weights, "dvc repro")


@pytest.mark.parametrize("content", [*NO_JSON, b"[]", b"{}"])
def test_systems_are_not_compared_by_a_damaged_file(root, content):
    (root / "reports/vae/scores.json").write_bytes(content)
    with pytest.raises(UserError, match=r"scores\.json .*evaluate@vae") as caught:
        comparing.comparison(root / "params.yaml", ["vae", "dcgan"])
    assert "\n" not in str(caught.value)


RUNS = [
    None,
    b"{",
    b"[]",
    b"{}",
    b'{"run_id": null}',
    b'{"run_id": 3}',
    b'{"run_id": "../a"}',
    b'{"run_id": "a", "device": 1}',
]


@pytest.mark.parametrize("content", RUNS)
@pytest.mark.parametrize("stage", [evaluate.run, export.export])
def test_the_record_of_the_training_is_read_before_work_begins(tmp_path, stage, content):
    root = tiny.make_project(tmp_path)
    # There is no model, which would be told first if it were loaded first.
    (root / "models" / "tiny").mkdir(parents=True)
    if content is not None:
        (root / "models/tiny/run.json").write_bytes(content)
    with pytest.raises(UserError, match=r"run\.json .*train@tiny"):
        stage("tiny", load_settings(root / "params.yaml"), root)
    assert not (root / "exports").exists()
    assert not (root / "reports").exists()


@pytest.mark.parametrize("name", ["scores", "calibration", "seeds", "pictures"])
def test_the_scores_are_read_before_a_model_is_exported(root, name):
    parts.write_json(root / f"reports/vae/{name}.json", {"floor": 3, "0": 1})
    with pytest.raises(UserError, match=rf"{name}\.json .*evaluate@vae"):
        export.export("vae", load_settings(root / "params.yaml"), root)
    assert not (root / "exports").exists()


def test_the_backend_of_a_training_is_one_that_there_is(root):
    parts.write_json(root / "models/vae/run.json", {"run_id": "a", "backend": "theano"})
    with pytest.raises(UserError, match=r'run\.json names the backend "theano"'):
        export.export("vae", load_settings(root / "params.yaml"), root)


def test_content_is_handed_on_as_it_stands(root):
    path = root / "reports/vae/scores.json"
    assert written.read_plain(path, written.Metrics, "") == json.loads(path.read_text())
