"""Names before classes: what is imported when, what editors are told, and what Keras finds in a saved model."""

import importlib
import os
import pkgutil
import subprocess
import sys

import pytest

import gm_keras
from gm_keras import registry, saved_names
from tests.stubs import stubs

once = pytest.mark.skipif(
    os.environ.get("KERAS_BACKEND") == "tensorflow", reason="runs with JAX: no backend in it"
)


def fresh(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A model that holds another one, and a network with layers of ours."""
    from tests.systems import build

    folder = tmp_path_factory.mktemp("saved")
    model = build("vqvae_prior")
    model.save(folder / "model.keras")
    model.network.save(folder / "network.keras")
    return folder


def test_names_cost_no_class():
    done = fresh(
        "import sys, gm_keras, gm_keras.models\n"
        "assert len(gm_keras.registry.names()) > 12\n"
        "assert {'VAE', 'backend', 'registry'} <= set(dir(gm_keras)), dir(gm_keras)\n"
        "assert 'VAE' in dir(gm_keras.models)\n"
        "loaded = {'keras', 'numpy', 'jax', 'gm_keras.core'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    assert done.returncode == 0, done.stderr


def test_an_unknown_name():
    with pytest.raises(ValueError, match=r'no system "vea"; known: .*dcgan, '):
        registry.get("vea")
    with pytest.raises(AttributeError, match="VEA"):
        gm_keras.VEA  # noqa: B018
    with pytest.raises(AttributeError, match="VEA"):
        gm_keras.models.VEA  # noqa: B018


@pytest.mark.parametrize("path", stubs(), ids=lambda path: str(path.relative_to(path.parents[2])))
def test_editors_know_what_there_is(path):
    assert path.read_text(encoding="utf-8") == stubs()[path], "make format writes it"


@once
@pytest.mark.backend
def test_a_class_by_each_of_its_names():
    cls = registry.get("vae")
    assert (cls.__name__, cls.__module__) == ("VAE", registry.module_of("vae"))
    assert gm_keras.VAE is gm_keras.models.VAE is cls
    assert gm_keras.Phase is gm_keras.core.Phase


@once
@pytest.mark.backend
def test_keras_knows_the_place_of_every_class():
    import keras

    for name in ("core", "layers", "networks", "models"):
        package = importlib.import_module(f"gm_keras.{name}")
        for each in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
            importlib.import_module(each.name)
    registered = {
        name: cls.__module__
        for name, cls in keras.saving.get_custom_objects().items()
        if name.startswith("gm_keras>")
    }
    assert registered == saved_names.places()
    assert all(
        keras.saving.get_registered_name(keras.saving.get_registered_object(name)) == name
        for name in registered
    )


@once
@pytest.mark.backend
@pytest.mark.parametrize("order", ["import gm_keras, keras", "import keras, gm_keras"])
def test_keras_loads_models_whose_classes_were_not_imported(order, saved):
    done = fresh(
        f"{order}\nimport sys\n"
        "assert 'gm_keras.core' not in sys.modules\n"
        f"model = keras.saving.load_model(r'{saved}/model.keras')\n"
        "assert type(model) is gm_keras.VQVAEPrior\n"
        "assert type(model.first_stage) is gm_keras.VQVAE\n"
        "assert 'gm_keras.models.gan.dcgan' not in sys.modules\n"
        f"keras.saving.load_model(r'{saved}/network.keras')\n"
    )
    assert done.returncode == 0, done.stderr[-2000:]
