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
UNTIL_EVALUATED = ("train", "evaluate")


@pytest.mark.parametrize(
    ("name", "old", "new", "expected"),
    [
        ("gm_keras/layers/another.py", "", "WIDTH = 3\n", set()),
        ("gm_keras/models/gan/another.py", "", "from gm_keras.core import Phase\n", set()),
        ("gm_keras/registry.py", '    "vae":', '    "vea": ("gan", "VEA"),\n    "vae":', set()),
        ("gm_keras/networks/unet.py", "import keras\n", "import keras  # a comment\n", set()),
        ("gm_keras/core/model.py", '"""', '"""Something else. ', set()),
        ("gm_keras/networks/unet.py", "import keras\n", "import keras\n\nX = 1\n", stages("ddpm")),
        (
            "gm_keras/models/diffusion/samplers.py",
            "import numpy as np\n",
            "import numpy as np\n\nX = 1\n",
            stages("ddpm"),
        ),
        (
            "gm_keras/models/gan/wgan_gp.py",
            "import keras\n",
            "import keras\n\nX = 1\n",
            stages("wgan_gp"),
        ),
        (
            "gm_keras/networks/vqvae.py",
            "import keras\n",
            "import keras\n\nX = 1\n",
            stages("vqvae", "vqvae_prior"),
        ),
        ("gm_keras/core/phase.py", "from ", "X = 1\nfrom ", stages(*ALL)),
        (
            "gm_keras/data/batches.py",
            "import numpy as np\n",
            "import numpy as np\n\nX = 1\n",
            {"prepare@digits"} | stages(*ALL, of=UNTIL_EVALUATED),
        ),
        (
            "gm_keras/metrics/scores/samples.py",
            "import numpy as np\n",
            "import numpy as np\n\nX = 1\n",
            stages(*ALL, of=("evaluate",)),
        ),
        (
            "pipelines/report/page.py",
            "from ",
            "X = 1\nfrom ",
            {"report"} | stages(*ALL, of=("page",)),
        ),
        ("pipelines/tracking/runs.py", "import json\n", "import json\n\nX = 1\n", set()),
        (
            "pipelines/exports/sampler_model.py",
            "import os\n",
            "import os\n\nX = 1\n",
            stages(*ALL, of=("export",)),
        ),
    ],
)
def test_a_change_makes_stale_what_uses_it(project, changed, name, old, new, expected):
    changed(name, old, new)
    assert stale(project) == expected


def test_a_new_import_inside_a_function_counts(project, changed):
    changed("gm_keras/layers/another.py", "", "WIDTH = 3\n")
    changed(
        "gm_keras/networks/unet.py",
        "import keras\n",
        "import keras\n\n\ndef width():\n    from gm_keras.layers import another\n    return another\n",
    )
    assert stale(project) == stages("ddpm")
    text = (project / "build/sources/train/ddpm.json").read_text()
    assert "gm_keras.layers.another" in text


def test_dry_repro_names_the_stages_to_run(project, changed):
    changed("gm_keras/networks/unet.py", "import keras\n", "import keras\n\nX = 1\n")
    stale(project)
    with Repo(str(project)) as repo:
        ran = repo.reproduce(["export@ddpm", "export@vae"], dry=True)
    assert {stage.addressing for stage in ran} == stages("ddpm")


def test_a_system_that_is_gone_leaves_no_file(project, changed):
    text = (project / "params.yaml").read_text()
    dcgan = text[text.index("  dcgan:") : text.index("  wgan_gp:")]
    changed("params.yaml", dcgan, "")
    untouched = project / "build/sources/train/vae.json"
    before = untouched.stat().st_mtime_ns
    assert not any("dcgan" in stage for stage in stale(project))
    for stage in code.STAGES:
        names = {path.stem for path in (project / "build/sources" / stage).iterdir()}
        assert names == set(ALL) - {"dcgan"}
    assert untouched.stat().st_mtime_ns == before


def test_code_that_is_no_python_is_one_line(project, changed):
    changed("gm_keras/networks/unet.py", "import keras\n", "import keras\ndef (:\n")
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
