"""The catalogue: every recipe complete, read without Keras."""

import subprocess
import sys

import pytest

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
