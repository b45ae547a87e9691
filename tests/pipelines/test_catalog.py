"""The catalogue: every recipe complete, read without Keras."""

import subprocess
import sys

import pytest

from gm_keras import registry
from pipelines.shared import catalog
from pipelines.shared.errors import UserError

FAMILIES = catalog.folder().parent / "models"
CAPABILITIES = {
    "sampler",
    "density",
    "bound",
    "energy",
    "autoencoder",
    "codes",
    "classifier",
    "translator",
    "conditional",
    "latents",
    "trajectory",
    "invertible",
}


@pytest.mark.parametrize("name", catalog.names())
def test_recipe_is_complete(name):
    recipe = catalog.recipe(name)
    assert {"title", "authors", "year"} <= set(recipe.paper)
    assert recipe.summary
    assert "\n" not in recipe.summary
    assert (FAMILIES / recipe.family).is_dir()
    assert set(recipe.capabilities) <= CAPABILITIES
    assert recipe.system["class"] == name
    assert "family" not in recipe.system
    assert recipe.system["data"] in recipe.datasets
    assert set(recipe.overrides) <= set(recipe.datasets)
    assert {"model", "optimizers", "fit", "evaluate"} <= set(recipe.system)


def test_every_system_has_a_recipe_and_every_recipe_a_system():
    assert not catalog.without(), "write gm_keras/recipes/<name>.yaml"
    assert set(catalog.names()) <= set(registry.names()), "gm_keras/registry.py lacks a line"


@pytest.mark.parametrize("command", ["show", "add"])
def test_a_system_without_a_recipe_is_one_line(run, monkeypatch, tmp_path, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(registry.SYSTEMS, "newcomer", ("latent", "Newcomer"))
    code, out, err = run(command, "newcomer")
    assert (code, out, err.count("\n")) == (1, "", 1)
    assert err.startswith('error: the system "newcomer" has no recipe yet: write ')
    assert 'recipes/newcomer.yaml (CONTRIBUTING.md, "A new system")' in err
    assert "newcomer" in run("list")[1].partition("\n\nwithout a recipe yet: ")[2]


def test_unknown_system_names_the_nearest():
    name = catalog.names()[0]
    with pytest.raises(UserError, match=f'did you mean "{name}"'):
        catalog.recipe(name + "x")


def test_reading_imports_no_keras():
    code = (
        "import sys; from pipelines import settings; from pipelines.command import cli; from pipelines.shared import catalog; catalog.recipes(); "
        "sys.exit(any(name in sys.modules for name in ('keras', 'gm_keras.core', 'mlflow', 'rich')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
