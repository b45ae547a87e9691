"""What a change of the code makes stale, on both sides: asked of DVC, in a project whose outputs are all recorded."""

import os
import subprocess
from pathlib import Path

import pytest
from dvc.repo import Repo

from pipelines import sources
from pipelines.command import adding
from pipelines.running import code
from pipelines.settings import load_settings
from pipelines.shared import imports
from pipelines.shared.errors import UserError
from tests.projects import environment, make_project

pytestmark = pytest.mark.pipeline

SYSTEMS = ("vae", "dcgan", "wgan_gp", "ddpm", "vqvae_prior")
PARAMS = "backend: jax\nseed: 0\ndata:\n  digits: { source: tfds }\nsystems:\n"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project in which every stage counts as done: its outputs are placeholders."""
    root = make_project(tmp_path_factory.mktemp("project"), PARAMS)
    for name in SYSTEMS:
        adding.add(root / "params.yaml", name)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment().items():
            patch.setenv(name, value)
        # The stages import what stands in the project.
        patch.delenv("PYTHONPATH", raising=False)
        patch.chdir(root)
        with Repo(str(root)) as repo:
            repo.reproduce(["sources"])
            for stage in repo.index.stages:
                for out in stage.outs:
                    path = Path(out.fs_path)
                    if not path.exists():
                        path.parent.mkdir(parents=True, exist_ok=True)
                        path.write_text("as it was\n")
            repo.commit(force=True)
        assert stale(root) == set()
        yield root


def stale(root: Path) -> set[str]:
    """The stages that are not up to date once the list of modules is."""
    with Repo(str(root)) as repo:
        repo.reproduce(["sources"])
        return set(repo.status())


@pytest.fixture
def changed(project):
    """Changes a file of the project, for one test."""
    before = {}

    def change(name: str, old: str, new: str) -> None:
        path = project / name
        text = path.read_text() if path.exists() else None
        before.setdefault(path, text)
        assert old in (text or "")
        path.write_text((text or "").replace(old, new, 1))

    yield change
    for path, text in before.items():
        if text is None:
            path.unlink()
        else:
            path.write_text(text)


def stages(*keys: str, of: tuple[str, ...] = ("train", "evaluate", "export")) -> set[str]:
    return {f"{stage}@{key}" for key in keys for stage in of}


ALL = ("vae", "dcgan", "wgan_gp", "ddpm", "vqvae", "vqvae_prior")
#: Changes of one file each, and what has to be done again for them. Each is of other systems or stages than the others
#: of its group, or of none: so DVC is asked once a group.
NOTHING = [
    ("gm_keras/layers/another.py", "", "WIDTH = 3\n"),
    ("gm_keras/models/gan/another.py", "", "from gm_keras.core import Phase\n"),
    ("gm_keras/registry.py", '    "vae":', '    "vea": ("gan", "VEA"),\n    "vae":'),
    ("gm_keras/networks/unet.py", "import itertools", "# a comment\nimport itertools"),
    ("gm_keras/core/model.py", '"""', '"""Something else. '),
    ("pipelines/tracking/runs.py", "import json\n", "import json\n\nX = 1\n"),
]
SOME = [
    ("gm_keras/networks/unet.py", "import itertools", "X = 1\nimport itertools", stages("ddpm")),
    ("gm_keras/models/gan/wgan_gp.py", "import keras", "X = 1\nimport keras", stages("wgan_gp")),
    (
        "gm_keras/networks/vqvae.py",
        "from ",
        "X = 1\nfrom ",
        stages("vqvae", "vqvae_prior"),
    ),
    ("pipelines/report/page.py", "from ", "X = 1\nfrom ", {"report"} | stages(*ALL, of=("page",))),
]
STAGES = [
    (
        "gm_keras/models/diffusion/samplers.py",
        "import numpy",
        "X = 1\nimport numpy",
        stages("ddpm"),
    ),
    (
        "gm_keras/metrics/scores/samples.py",
        "import numpy",
        "X = 1\nimport numpy",
        stages(*ALL, of=("evaluate",)),
    ),
]


@pytest.mark.parametrize(
    "changes",
    [
        [(*change, set()) for change in NOTHING],
        SOME,
        STAGES,
        [("gm_keras/core/phase.py", "from ", "X = 1\nfrom ", stages(*ALL))],
    ],
    ids=["nothing", "some", "stages", "everything"],
)
def test_a_change_makes_stale_what_uses_it(project, changed, changes):
    for name, old, new, _ in changes:
        changed(name, old, new)
    assert stale(project) == set().union(*(expected for *_, expected in changes))


@pytest.mark.parametrize(
    ("module", "stage", "keys"),
    [
        ("gm_keras.networks.unet", "train", {"ddpm"}),
        ("gm_keras.models.diffusion.samplers", "train", {"ddpm"}),
        ("gm_keras.models.gan.wgan_gp", "train", {"wgan_gp"}),
        ("gm_keras.networks.dcgan", "train", {"dcgan", "wgan_gp"}),
        ("gm_keras.models.latent.vqvae", "train", {"vqvae", "vqvae_prior"}),
        ("gm_keras.core.model", "export", set(ALL)),
        ("gm_keras.backend.jax", "train", set(ALL)),
        ("gm_keras.data.batches", "train", set(ALL)),
        ("gm_keras.data.batches", "export", set()),
        ("gm_keras.data.builders.digits", "evaluate", set()),
        ("gm_keras.metrics.scores.samples", "train", set()),
        ("gm_keras.metrics.scores.samples", "evaluate", set(ALL)),
        ("gm_keras.exploration.of_latents", "evaluate", set(ALL)),
        ("pipelines.exports.sampler_model", "export", set(ALL)),
        ("pipelines.running.build", "train", set(ALL)),
        ("pipelines.settings.schema", "train", set()),
        ("pipelines.tracking.runs", "train", set()),
        ("gm_keras.registry", "train", set()),
    ],
)
def test_what_a_stage_is_made_of(settings, module, stage, keys):
    assert {key for key in ALL if module in code.modules(stage, key, settings)} == keys


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    path = tmp_path_factory.mktemp("settings") / "params.yaml"
    path.write_text(PARAMS)
    for name in SYSTEMS:
        adding.add(path, name)
    return load_settings(path)


def test_a_new_import_inside_a_function_counts(project, changed):
    changed("gm_keras/layers/another.py", "", "WIDTH = 3\n")
    changed(
        "gm_keras/networks/unet.py",
        "import itertools",
        "def width():\n    from gm_keras.layers import another\n    return another\nimport itertools",
    )
    assert stale(project) == stages("ddpm")
    with Repo(str(project)) as repo:
        ran = repo.reproduce(["export@ddpm", "export@vae"], dry=True)
    assert {stage.addressing for stage in ran} == stages("ddpm")
    text = (project / "build/sources/train/ddpm.json").read_text()
    assert "gm_keras.layers.another" in text


def test_a_system_that_is_gone_leaves_no_file(project, changed):
    text = (project / "params.yaml").read_text()
    dcgan = text[text.index("  dcgan:") : text.index("  wgan_gp:")]
    changed("params.yaml", dcgan, "")
    assert not any("dcgan" in stage for stage in stale(project))
    for stage in code.STAGES:
        names = {path.stem for path in (project / "build/sources" / stage).iterdir()}
        assert names == set(ALL) - {"dcgan"}


def test_code_that_is_no_python_is_one_line(project, changed):
    changed("gm_keras/networks/unet.py", "import itertools", "def (:\nimport itertools")
    done = subprocess.run(
        ["python", "-m", "pipelines.sources"], cwd=project, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: ")
    assert "unet.py, line " in done.stderr


def test_a_damaged_file_is_written_again(tmp_path, monkeypatch):
    (tmp_path / "params.yaml").write_text(PARAMS)
    adding.add(tmp_path / "params.yaml", "vae")
    settings = load_settings(tmp_path / "params.yaml")
    sources.write(settings, tmp_path / "sources")
    path = tmp_path / "sources" / "train" / "vae.json"
    text = path.read_text()
    path.write_text(text[:100])
    sources.write(settings, tmp_path / "sources")
    assert path.read_text() == text
    monkeypatch.setattr(os, "replace", lambda *_: pytest.fail("nothing changed"))
    sources.write(settings, tmp_path / "sources")


@pytest.mark.parametrize(
    "other",
    [
        "X = 1  # a comment\n\n\ndef f(x):\n    return x + X\n",
        '"""A header."""\nX = 1\ndef f(x):\n    """What it does."""\n    return (x + X)\n',
    ],
)
def test_comments_docstrings_and_blanks_say_nothing(other):
    one = "X = 1\ndef f(x):\n    return x + X\n"
    assert imports.meaning_of(one) == imports.meaning_of(other)


@pytest.mark.parametrize(
    "other",
    [
        "X = 1.0\ndef f(x):\n    return x + X\n",
        "X = True\ndef f(x):\n    return x + X\n",
        "X = '1'\ndef f(x):\n    return x + X\n",
        "X = 1\ndef f(x):\n    return x - X\n",
        "X = 1\ndef f(x):\n    return\n",
        "X = 1\ndef f(x, *, y=None):\n    return x + X\n",
        "X = 1\n@g\ndef f(x):\n    return x + X\n",
        "X = 1\ndef f(x):\n    'kept'.strip()\n    return x + X\n",
        "X = 1\nasync def f(x):\n    return x + X\n",
    ],
)
def test_everything_else_says_something(other):
    one = "X = 1\ndef f(x):\n    return x + X\n"
    assert imports.meaning_of(one) != imports.meaning_of(other)


def test_a_module_of_no_python_is_named(tmp_path, monkeypatch):
    path = tmp_path / "broken.py"
    path.write_text("X = 1\ndef (:\n")
    monkeypatch.setattr(imports, "_path", lambda module: path)
    with pytest.raises(UserError, match=r"broken\.py, line 2 is not Python: "):
        imports.meaning("broken")
