"""What a page says of how to get its numbers once more."""

import io
import json
from dataclasses import replace
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipelines.report import inputs, page
from pipelines.report.again import again
from pipelines.settings import load_settings
from tests.projects import parts, reported

REVISION = "0123456789abcdef"


@pytest.fixture
def root(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    return reported.make_project(tmp_path)


def trained(root: Path, key: str = "vae", **record) -> str:
    """The page of a system whose `run.json` says this besides."""
    path = root / "models" / key / "run.json"
    parts.write_json(path, json.loads(path.read_text()) | record)
    page.run(key)
    return (root / f"reports/{key}.html").read_text(encoding="utf-8")


def test_committed_settings_need_a_revision_and_a_command(root):
    text = trained(root, git_revision=REVISION, git_dirty=False, git_changes=[])
    assert f"git checkout {REVISION}\ndvc repro page@vae</pre>" in text
    assert "What <code>params.yaml</code> said" not in text
    assert "kept nowhere" not in text


def test_uncommitted_settings_stand_on_the_page(root):
    text = trained(
        root, git_revision=REVISION, git_dirty=True, git_changes=["params.yaml", "gm_keras/a.py"]
    )
    assert "Its settings are in no commit." in text
    assert "latent_dim: 4" in text
    assert "kept nowhere: gm_keras/a.py." in text


def test_the_settings_are_a_whole_file_that_trains_the_system(root):
    params = root / "params.yaml"
    settings = load_settings(params)
    parts.write_json(
        root / "models/vae/run.json", {"run_id": "a", "git_dirty": True, "git_changes": None}
    )
    block = again(inputs.read_system("vae", settings, root), settings, REVISION).block
    params.write_text(block)
    kept = load_settings(params)
    assert (list(kept.systems), list(kept.data)) == (["vae"], ["digits"])
    assert kept.systems["vae"] == settings.systems["vae"]
    assert (kept.seed, kept.backend) == (settings.seed, settings.backend)
    assert YAML().load(io.StringIO(block))["systems"]["vae"]["class"] == "vae"


def test_an_experiment_is_named_with_what_it_began_from(root):
    text = trained(
        root,
        git_revision="fedcba",
        git_changes=["params.yaml"],
        experiment="bold-name",
        experiment_baseline=REVISION,
    )
    assert f"git checkout {REVISION}\ndvc exp apply bold-name\ndvc repro page@vae" in text
    assert "in no commit but that of the experiment" in text


def test_what_a_system_builds_on_is_part_of_its_settings(root):
    settings = load_settings(root / "params.yaml")
    vae = settings.systems["vae"].model_copy(update={"uses": "gpt2"})
    settings = settings.model_copy(update={"systems": {**settings.systems, "vae": vae}})
    system = inputs.read_system("vae", settings, root)
    training = system.training.model_copy(update={"git_changes": ["params.yaml"]})
    system = replace(system, training=training)
    content = YAML().load(again(system, settings, None).block)
    assert list(content["systems"]) == ["gpt2", "vae"]
    assert set(content["data"]) == {"digits", "shakespeare"}
