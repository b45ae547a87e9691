"""`gm-keras record`: what a finished run reached stands in the recipe, and nothing else changes there."""

import hashlib
import json
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipelines.command import adding, recording
from pipelines.settings import load_settings
from pipelines.shared import catalog, yaml_file
from pipelines.shared.errors import UserError
from tests.projects import parts, reported


def lock(root: Path, key: str) -> None:
    """`dvc.lock` as DVC leaves it after a run of a system."""
    path = root / "dvc.lock"
    content = yaml_file.load(path) if path.is_file() else {"schema": "2.0", "stages": {}}
    block = yaml_file.load(root / "params.yaml")["systems"][key]
    params = {f"systems.{key}.{name}": value for name, value in block.items()}
    scores = root / "reports" / key / "scores.json"
    out = {
        "path": f"reports/{key}/scores.json",
        "md5": hashlib.md5(scores.read_bytes()).hexdigest(),
    }
    locked = {"cmd": "x", "params": {"params.yaml": {"seed": 0, **params}}}
    content["stages"] |= {f"train@{key}": locked, f"evaluate@{key}": locked | {"outs": [out]}}
    path.write_text(json.dumps(content))


def change(root: Path, **entries) -> None:
    path = root / "reports/vae/scores.json"
    parts.write_json(path, json.loads(path.read_text()) | entries)
    lock(root, "vae")


def record(root: Path, key: str = "vae") -> tuple[str, dict]:
    """Records a run; returns the recipe before `reached:` is taken out of it, and the entry."""
    _, entry = recording.record(root / "params.yaml", key, root / f"{key}.yaml")
    return (root / f"{key}.yaml").read_text(), entry


@pytest.fixture
def root(tmp_path) -> Path:
    """A project in which the recipe of `vae` was trained and evaluated, and that recipe as a file."""
    params = tmp_path / "params.yaml"
    params.write_text("data: {}\nsystems: {}\n")
    adding.add(params, "vae")
    reported.write_system(tmp_path, "vae", reported.METRICS["vae"], seed=0)
    run = {
        "run_id": "run",
        "training_seconds": 41.5,
        "git_revision": "0123456789abcdef",
        "git_dirty": True,
        "git_changes": ["params.yaml"],
        "machine": "2 cores of a machine",
    }
    parts.write_json(tmp_path / "models/vae/run.json", run)
    recipe = catalog.recipe("vae").text
    begin = recipe.find("\nreached:") + 1
    if begin:
        end = recipe.index("\n# The small model", begin) + 1
        recipe = recipe[:begin] + recipe[end:]
    (tmp_path / "vae.yaml").write_text(recipe)
    lock(tmp_path, "vae")
    return tmp_path


def test_a_run_stands_in_its_recipe_and_the_rest_stays_byte_for_byte(root):
    before = (root / "vae.yaml").read_text()
    text, entry = record(root)
    assert entry["scores"][0] == {"metric": "negative_elbo_nats", "value": 21.5, "error": 0.25}
    assert {"metric": "precision", "value": 0.7, "error": 0.02} in entry["scores"]
    assert entry["likelihood"] == {"kind": "bound", "of": "discrete"}
    assert (entry["data"], entry["epochs"], entry["seconds"]) == ("digits", 4, 41.5)
    assert entry["parameters"] == 125
    # That params.yaml was changed says nothing about the code.
    assert (entry["seed"], entry["commit"]) == (0, "0123456789ab")
    assert yaml_file.parse(text, "vae.yaml")["reached"] == [entry]
    begin, end = text.index("reached:"), text.index("# The small model")
    assert text[:begin] + text[end:] == before


def test_a_second_run_takes_the_place_of_the_first_and_other_data_stay(root):
    record(root)
    change(root, precision=0.8)
    text, entry = record(root)
    assert yaml_file.parse(text, "vae.yaml")["reached"] == [entry]
    other = text.replace(
        "  - data: digits", "  - data: moons # of another day\n    epochs: 3\n  - data: digits"
    )
    (root / "vae.yaml").write_text(other)
    change(root, precision=0.9)
    text, entry = record(root)
    assert [each["data"] for each in yaml_file.parse(text, "vae.yaml")["reached"]] == [
        "moons",
        "digits",
    ]
    assert "moons # of another day\n    epochs: 3\n" in text
    assert {"metric": "precision", "value": 0.9, "error": 0.02} in entry["scores"]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ("block", "systems.vae.fit.epochs was 3 when vae was last run, its recipe has 150"),
        ("scores", "is not what evaluate@vae left: make it again with: dvc repro evaluate@vae"),
        ("lock", "there is no dvc.lock, and so no finished run"),
        ("stage", "dvc.lock has no run of evaluate@vae"),
        ("class", "is no recipe of vae"),
        ("braces", "laid out in a way that this command cannot edit"),
    ],
)
def test_what_is_no_finished_run_of_the_recipe_is_one_line(root, damage, message):
    recipe, lockfile = root / "vae.yaml", root / "dvc.lock"
    if damage == "block":
        yaml = YAML()
        content = yaml.load((root / "params.yaml").read_text())
        content["systems"]["vae"]["fit"]["epochs"] = 3
        yaml.dump(content, root / "params.yaml")
        lock(root, "vae")
    elif damage == "scores":
        (root / "reports/vae/scores.json").write_text(
            (root / "reports/vae/scores.json").read_text().replace("0.7,", "0.9,")
        )
    elif damage == "lock":
        lockfile.unlink()
    elif damage == "stage":
        lockfile.write_text(lockfile.read_text().replace("evaluate@vae", "evaluate@other"))
    elif damage == "class":
        recipe.write_text(catalog.recipe("dcgan").text)
    else:
        recipe.write_text(recipe.read_text() + "reached: []\n")
    before = recipe.read_text()
    with pytest.raises(UserError, match=message) as caught:
        record(root)
    assert "\n" not in str(caught.value)
    assert recipe.read_text() == before


def test_without_a_checkout_the_file_must_be_named(root, monkeypatch):
    monkeypatch.setattr(catalog, "folder", lambda: root / "site-packages" / "gm_keras" / "recipes")
    with pytest.raises(UserError, match="no checkout: name the file to write with --recipe"):
        recording.checkout()


def test_the_recipe_of_a_first_stage_counts_too(root):
    adding.add(root / "params.yaml", "vqvae_prior")
    (root / "vqvae_prior.yaml").write_text(catalog.recipe("vqvae_prior").text)
    metrics = reported.METRICS["vae"]
    for key in ("vqvae", "vqvae_prior"):
        reported.write_system(root, key, metrics, seed=0)
        lock(root, key)
    assert load_settings(root / "params.yaml").system("vqvae_prior").uses == "vqvae"
    record(root, "vqvae_prior")
    lockfile = root / "dvc.lock"
    content = json.loads(lockfile.read_text())
    content["stages"]["train@vqvae"]["params"]["params.yaml"]["systems.vqvae.fit"]["epochs"] = 1
    lockfile.write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"systems\.vqvae\.fit\.epochs was 1"):
        record(root, "vqvae_prior")
