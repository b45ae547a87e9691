"""The command `gm-keras`, run as a user runs it, except that the process is this one."""

import os
import shutil
import stat
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipelines.settings import load_settings, params_file
from pipelines.shared import catalog
from tests.projects import parts

PARAMS = """\
# What this checkout trains.

backend: jax # or another
seed:   0    # spaces stay

data:
  # the embedded one
  digits: { source: tfds } # 1,797 digits

  # the user's own
  mine: {source: folder, path: "my images"}   # quoted

tracking: {experiment: 'quotes stay'}

systems: # these are trained

  # nothing yet

# The end of the file has a comment, too.
"""


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A folder with a `params.yaml` whose layout is all its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DVC_ROOT", raising=False)
    Path("params.yaml").write_text(PARAMS)
    return tmp_path


def is_one_line(text):
    return text.startswith("error: ") and text.count("\n") == 1


def lines_in_order(lines, text):
    """Whether all lines stand in the text, in their order."""
    rest = iter(text.splitlines())
    return all(line in rest for line in lines)


def test_list_names_every_system(run):
    code, out, _ = run("list")
    assert code == 0
    rows = {row.split()[0]: row for row in out.splitlines()[1:] if row.startswith("  ")}
    assert sorted(rows) == catalog.names()
    for recipe in catalog.recipes():
        row = rows[recipe.name]
        assert f"\n{recipe.family}\n" in out
        assert str(recipe.paper["year"]) in row
        assert all(word in row for word in (*recipe.capabilities, *recipe.datasets))


@pytest.mark.parametrize("name", catalog.names())
def test_show_has_the_paper_and_the_recipe(run, name):
    code, out, _ = run("show", name)
    recipe = catalog.recipe(name)
    assert code == 0
    assert recipe.paper["title"] in out
    assert str(recipe.paper["year"]) in out
    assert recipe.text.strip() in out


def test_show_unknown(run):
    code, out, err = run("show", "nosuch")
    assert (code, out) == (1, "")
    assert is_one_line(err)


def test_wrong_usage_is_exit_code_2(run):
    assert run("nosuch")[0] == 2
    assert run("show")[0] == 2
    assert run("sample", "a", "-n", "many")[0] == 2


@pytest.mark.parametrize("name", catalog.names())
def test_every_recipe_on_each_of_its_data_sets_gives_valid_settings(run, project, name):
    recipe = catalog.recipe(name)
    assert run("add", name)[0] == 0
    for dataset in recipe.datasets:
        code, out, err = run("add", name, "--dataset", dataset, "--as", f"on_{dataset}")
        assert (code, err) == (0, "")
        assert f"export@on_{dataset}" in out
    settings = load_settings(project / "params.yaml")
    assert settings.systems[name].data == recipe.system["data"]
    for dataset in recipe.datasets:
        system = settings.systems[f"on_{dataset}"]
        assert system.data == dataset
        assert settings.data[dataset].source == "tfds"
        overrides = recipe.overrides.get(dataset, {})
        for key, value in overrides.get("model", {}).items():
            assert system.model[key] == value
        kept = {
            k: v for k, v in recipe.system["model"].items() if k not in overrides.get("model", {})
        }
        assert kept.items() <= system.model.items()


def test_add_keeps_every_line_and_brings_the_comments(run, project):
    name = catalog.names()[0]
    recipe = catalog.recipe(name)
    path = project / "params.yaml"
    path.chmod(0o640)
    run("add", name)
    run("add", name, "--as", "second")
    text = path.read_text()
    assert lines_in_order(PARAMS.splitlines(), text)
    block = [f"    {row}" if row else "" for row in params_file.section_rows(recipe.text, "system")]
    assert "\n".join([f"  {name}:", *block, "  second:", *block]) in text
    assert text.endswith("# The end of the file has a comment, too.\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert [entry.name for entry in project.iterdir()] == ["params.yaml"]


def test_add_on_a_data_set_of_the_user(run, project):
    parts.write_described(project, "mine", "image", (32, 32, 3))
    assert run("add", catalog.names()[0], "--dataset", "mine", "--as", "own")[0] == 0
    settings = load_settings(project / "params.yaml")
    assert settings.systems["own"].data == "mine"
    assert settings.data["mine"].path == "my images"


RECIPE = """\
paper: { title: T, authors: A, year: 2000 }
summary: S
family: latent
capabilities: [sampler]
datasets:
  edges_of_digits: { source: tfds, path: digits, pairs: edges } # pairs
  digits:
system:
  class: {name}
  uses: {uses} # the first stage
  data: edges_of_digits
  model: {}
  fit: { epochs: 1, batch_size: 8 }
  evaluate: {}
datasets_overrides:
  digits: { model: { width: 8 } }
shapes: { images_32: { fit: { epochs: 1, batch_size: 8 }, steps: 1000 } }
"""


@pytest.fixture
def two_stages(tmp_path, monkeypatch):
    """Recipes `prior`, which uses `codes`, which uses `base`."""
    folder = tmp_path / "recipes"
    folder.mkdir()
    for name, uses in (("prior", "codes"), ("codes", "base"), ("base", "none")):
        (folder / f"{name}.yaml").write_text(RECIPE.replace("{name}", name).replace("{uses}", uses))
    monkeypatch.setattr(catalog, "folder", lambda: folder)
    catalog.recipe.cache_clear()
    yield
    catalog.recipe.cache_clear()


@pytest.fixture
def params(project):
    return lambda: YAML(typ="safe").load((project / "params.yaml").read_text())


@pytest.mark.usefixtures("two_stages")
def test_a_recipe_says_how_its_data_set_is_prepared(run, project, params):
    assert catalog.recipe("base").datasets == ("edges_of_digits", "digits")
    assert catalog.recipe("base").entries["digits"] == {"source": "tfds"}
    assert run("add", "base")[0] == 0
    entry = {"source": "tfds", "path": "digits", "pairs": "edges"}
    assert params()["data"]["edges_of_digits"] == entry
    line = "  edges_of_digits: { source: tfds, path: digits, pairs: edges }\n"
    assert line in (project / "params.yaml").read_text()
    before = params()["data"]
    assert run("add", "base", "--as", "second")[0] == 0
    assert params()["data"] == before


@pytest.mark.usefixtures("two_stages")
def test_what_a_system_builds_on_is_added_first(run, project, params):
    code, out, _ = run("add", "prior")
    assert code == 0
    first, second, last = out.splitlines()
    assert first == 'added "base" to params.yaml first: "prior" builds on it'
    assert second == 'added "codes" to params.yaml first: "prior" builds on it'
    assert "dvc repro export@prior" in last
    systems = params()["systems"]
    assert list(systems) == ["base", "codes", "prior"]
    assert [system["uses"] for system in systems.values()] == ["none", "base", "codes"]
    assert {system["data"] for system in systems.values()} == {"edges_of_digits"}
    assert lines_in_order(PARAMS.splitlines(), (project / "params.yaml").read_text())


@pytest.mark.usefixtures("two_stages")
def test_the_first_stage_has_the_same_data_set(run, project, params):
    parts.write_described(project, "mine", "image", (32, 32, 3))
    run("add", "base", "--dataset", "digits")
    code, out, _ = run("add", "codes")  # the base that there is saw other data
    assert code == 0
    assert 'added "base_edges_of_digits"' in out
    assert params()["systems"]["codes"]["uses"] == "base_edges_of_digits"
    code, out, _ = run("add", "codes", "--dataset", "digits", "--as", "second")
    assert (code, len(out.splitlines())) == (0, 1)
    second = params()["systems"]["second"]
    assert (second["uses"], second["data"], second["model"]) == ("base", "digits", {"width": 8})
    run("add", "codes", "--dataset", "mine", "--as", "third")
    systems = params()["systems"]
    assert systems["third"]["uses"] == "base_mine"
    assert systems["base_mine"]["data"] == "mine"
    assert run("add", "codes", "--as", "fourth")[0] == 0
    assert params()["systems"]["fourth"]["uses"] == "base_edges_of_digits"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nosuch"],
        ["{name}"],  # taken
        ["{name}", "--as", "a/b"],
        ["{name}", "--as", "on"],
        ["{name}", "--as", "1"],
        ["{name}", "--as", "other", "--dataset", "nosuch"],
    ],
)
def test_add_refuses_and_changes_nothing(run, project, arguments):
    name = catalog.names()[0]
    run("add", name)
    before = (project / "params.yaml").read_bytes()
    code, out, err = run("add", *(argument.format(name=name) for argument in arguments))
    assert (code, out) == (1, "")
    assert is_one_line(err)
    assert (project / "params.yaml").read_bytes() == before


@pytest.mark.parametrize(
    "content", ["a: [1", "- 1\n- 2\n", "systems: {a: {b: 1}}\n", "systems: 3\n", "\ta: 1\n", None]
)
def test_add_to_a_file_it_cannot_edit(run, project, content):
    path = project / "params.yaml"
    path.unlink()
    if content is not None:
        path.write_text(content)
    code, _, err = run("add", catalog.names()[0])
    assert code == 1
    assert is_one_line(err)
    assert content is None or path.read_text() == content


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["sample", "vae", "-n", "0"], "-n must be at least 1"),
        (["sample", "vae", "-n", str(10**30)], "-n must be at least 1 and at most 100,000"),
        (["sample", "vae", "--seed", "-1"], "--seed must be at least 0"),
        (["sample", "vae", "--seed", str(2**32)], "at most 4,294,967,295, not 4294967296"),
        (["interpolate", "vae", "--steps", str(10**9)], "--steps must be at least 2"),
        (["interpolate", "vae", "--steps", "1"], "--steps must be at least 2"),
        (["traverse", "vae", "-n", "-3"], "-n must be at least 1"),
        (["neighbours", "vae", "--seed", "-1"], "--seed must be at least 0"),
        (["sample", "../vae"], 'no system "../vae"'),
        (["add", "vae", "--as", "../vae"], '--as: "../vae" cannot be a key'),
    ],
)
def test_numbers_and_keys_are_checked_before_anything_is_loaded(run, arguments, words):
    run("add", "vae")
    code, out, err = run(*arguments)
    assert (code, out) == (1, "")
    assert is_one_line(err)
    assert words in err


def test_override_merges_and_drops_the_comments_of_what_it_changes():
    rows = params_file.section_rows(
        """\
system:
  # about the model
  model:
    width: 8 # from the paper
    # about the depth
    depth: 3 # Table 1
    list:
    - 1
    - 2

  # about the budget
  fit: { epochs: 5, size: 64 } # minutes
# about what follows
other: {}
""",
        "system",
    )
    assert params_file.override(["model: {}"], {"model": {"width": 8}}) == ["model: {width: 8}"]
    changes = {"model": {"width": 20, "list": [3], "new": None}, "fit": {"epochs": 0.5}, "x": "1"}
    text = "\n".join(params_file.override(rows, changes, note="for b"))
    assert (
        text
        == """\
# about the model
model:
  width: 20 # for b
  # about the depth
  depth: 3 # Table 1
  list: [3] # for b
  new: null # for b

# about the budget
fit: {epochs: 0.5, size: 64} # for b
x: '1' # for b"""
    )
    assert YAML(typ="safe").load(text)["model"] == {
        "width": 20,
        "depth": 3,
        "list": [3],
        "new": None,
    }


@pytest.mark.usefixtures("project")
def test_sample_before_export(run):
    name = catalog.names()[0]
    run("add", name)
    code, _, err = run("sample", name)
    assert code == 1
    assert is_one_line(err)
    assert f"dvc repro export@{name}" in err
    code, _, err = run("sample", name + "x")
    assert code == 1
    assert name in err


@pytest.fixture(scope="module")
def model_file(tmp_path_factory):
    """A small system with labels, with a random start."""
    from gm_keras import registry

    path = tmp_path_factory.mktemp("model") / "model.keras"
    small = {"latent_dim": 2, "network": "dense", "units": (8,), "num_classes": 3}
    registry.get("vae")((8, 8, 1), **small).save(path)
    return path


@pytest.fixture
def exported(run, project, model_file):
    """The system, where the export stage puts it."""
    run("add", "vae")
    folder = project / "exports" / "vae"
    folder.mkdir(parents=True)
    shutil.copy(model_file, folder)
    return "vae"


@pytest.mark.backend
@pytest.mark.once("tensorflow")
def test_sample_draws_a_grid(run, project, exported):
    from PIL import Image

    code, out, err = run("sample", exported, "-n", "5", "--seed", "3", "-o", "a.png")
    assert (code, err) == (0, "")
    assert "a.png" in out
    run("sample", exported, "-n", "5", "--seed", "3", "-o", "b.png")
    data = project / "data" / catalog.recipe(exported).system["data"]
    data.mkdir(parents=True)
    (data / "dataset.json").write_text('{"class_names": ["2", "10", "cat"]}')
    _, out, _ = run("sample", exported, "-n", "5", "--seed", "4", "--label", "Cat", "-o", "c.png")
    assert 'label 2 ("cat")' in out
    assert Image.open("a.png").size[0] >= 3 * 8
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert Path("a.png").read_bytes() != Path("c.png").read_bytes()
    assert {entry.name for entry in project.iterdir() if entry.suffix != ".yaml"} == {
        "data", "exports", "a.png", "b.png", "c.png"
    }  # fmt: skip


@pytest.mark.backend
@pytest.mark.once("tensorflow")
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-n", "0"], "at least 1"),
        (["--label", "3"], "0 to 2"),
        (["--label", "-1"], "0 to 2"),
        (["--caption", "a cat"], "trained without captions"),
        (["--condition", "style"], "NAME=VALUE"),
        (["--condition", "label=3"], "0 to 2"),
        (["-o", "grid.txt"], "PNG"),
        (["-o", "nosuch/grid.png"], "nosuch"),
        (["-o", "folder.png"], "folder"),
    ],
)
def test_sample_refuses(run, project, exported, arguments, words):
    (project / "folder.png").mkdir()
    (project / "grid.png").write_text("what was there")
    code, out, err = run("sample", exported, "-o", "grid.png", *arguments)
    assert (code, out) == (1, "")
    assert is_one_line(err)
    assert words in err
    assert (project / "grid.png").read_text() == "what was there"


@pytest.mark.backend
@pytest.mark.once("tensorflow")
def test_sample_from_a_damaged_export(run, project, exported):
    path = project / "exports" / exported / "model.keras"
    path.write_bytes(path.read_bytes()[:1000])
    code, _, err = run("sample", exported)
    assert code == 1
    assert is_one_line(err)
    assert str(Path("exports") / exported / "model.keras") in err


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable to root")
def test_add_in_a_folder_that_cannot_be_written(run, project):
    project.chmod(0o500)
    try:
        code, _, err = run("add", catalog.names()[0])
    finally:
        project.chmod(0o700)
    assert code == 1
    assert is_one_line(err)
