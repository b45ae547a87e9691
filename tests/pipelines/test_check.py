"""The stage `check`: whatever would fail after DVC has removed the outputs of a stage is refused before."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipelines import check
from pipelines.shared.errors import UserError
from tests.projects import PARAMS, ROOT

yaml = YAML(typ="safe")


def watched():
    """The parameters that stages of `dvc.yaml` name, of the data set and the system of `PARAMS`."""
    stages = yaml.load(ROOT / "dvc.yaml")["stages"].values()
    blocks = [(stage.get("do", stage), stage.get("foreach", "")) for stage in stages]
    names = set()
    for block, each in blocks:
        key = "digits" if each == "${data}" else "vae"
        names |= {name.replace("${key}", key) for name in block.get("params", ())}
        text = str(block)
        names |= {f"systems.vae.{name}" for name in re.findall(r"\$\{item\.(\w+)\}", text)}
    return sorted(names)


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("DVC_ROOT", str(tmp_path))
    (tmp_path / "params.yaml").write_text(PARAMS)
    return tmp_path


def without(project, name):
    content = yaml.load(PARAMS)
    *parents, last = name.split(".")
    block = content
    for key in parents:
        block = block[key]
    del block[last]
    with (project / "params.yaml").open("w") as file:
        yaml.dump(content, file)


def test_it_writes_what_every_stage_waits_for(project):
    check.run()
    for name in ("build/checked", "build/metrics.json", "models/none/config.json"):
        assert (project / name).is_file()


@pytest.mark.parametrize("name", [name for name in watched() if name.count(".") != 1])
def test_a_parameter_that_dvc_watches_must_be_there(project, name):
    without(project, name)
    with pytest.raises(UserError, match=re.escape(name.split(".")[-1])):
        check.run()
    assert list(project.iterdir()) == [project / "params.yaml"]


def test_a_place_that_cannot_be_written_is_one_line(project):
    Path(project / "build").write_text("in the way")
    with pytest.raises(UserError, match="cannot write"):
        check.run()
