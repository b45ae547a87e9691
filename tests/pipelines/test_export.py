"""The stage `export`, run as DVC runs it, on a tiny model that was not trained."""

import base64
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines import tracking
from pipelines.exports import registration
from pipelines.settings import TrackingSettings
from pipelines.tracking.scored import scored
from tests.projects import run_here
from tests.projects.tiny import make_project

pytestmark = pytest.mark.pipeline

ROOT = Path(__file__).parents[2]
# As the README says it, of another system and on another port.
SERVE = (
    'MLFLOW_TRACKING_URI=sqlite:///mlflow.db mlflow models serve -m "models:/vae@challenger" '
    "--env-manager local --port 5001"
)
TRACKING = TrackingSettings(uri="sqlite:///mlflow.db", experiment="tiny_experiment")


def _environment(**further: str) -> dict[str, str]:
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DVC_ROOT", "MLFLOW_TRACKING_URI")
    }
    return {**inherited, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", **further}


def _export(project: Path, key: str = "tiny") -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "pipelines.export", key],
        cwd=project,
        env=_environment(),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def model():
    import keras

    from gm_keras import registry

    keras.utils.set_random_seed(0)
    return registry.get("vae")(
        image_shape=(8, 8, 1), latent_dim=2, network="dense", units=(8,), num_classes=10
    )


@pytest.fixture(scope="module")
def project(tmp_path_factory, model):
    """A project whose system is trained and exported."""
    from gm_keras.core import io

    folder = make_project(tmp_path_factory.mktemp("project"))
    trained = folder / "models" / "tiny"
    trained.mkdir(parents=True)
    io.save(model, trained)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("DVC_ROOT", raising=False)
        patch.chdir(folder)
        with tracking.start_run(TRACKING, "tiny", parameters={}, tags={}) as run:
            pass
        description = {"run_id": run.run_id, "backend": "jax"}
        (trained / "run.json").write_text(json.dumps(description), encoding="utf-8")
        result = _export(folder)
        assert result.returncode == 0, result.stderr
        assert "the challenger is version 1" in result.stdout
        yield folder


@pytest.fixture
def client(project):
    import mlflow

    return mlflow.MlflowClient(f"sqlite:///{project}/mlflow.db")


@pytest.fixture(scope="module")
def described(project):
    return json.loads((project / "exports" / "tiny" / "export.json").read_text())


def _inputs(description: dict, size: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(size)
    return {
        item["name"]: random.normal(size=(size, *item["shape"][1:])).astype("float32")
        if item["dtype"] == "float32"
        else random.integers(0, 10, (size, *item["shape"][1:])).astype(item["dtype"])
        for item in description["inputs"]
    }


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_onnx_computes_what_the_network_does(project, described, model, name):
    import keras
    import onnxruntime

    description = described["networks"][name]
    folder = project / "exports" / "tiny" / "networks"
    session = onnxruntime.InferenceSession(folder / f"{name}.onnx")
    assert [item.name for item in session.get_outputs()] == ["output_0"]
    assert description["onnx_differs_less_than"] <= 1e-3
    saved = keras.saving.load_model(folder / f"{name}.keras")
    for size in (1, 6):  # of the batch, which is free
        inputs = _inputs(description, size)
        (computed,) = session.run(None, inputs)
        expected = getattr(model, name)(list(inputs.values()))
        np.testing.assert_allclose(computed, expected, atol=1e-5)
        np.testing.assert_allclose(saved(list(inputs.values())), expected, atol=1e-5)


def test_saved_models_compute_what_onnx_does(project, described):
    """In another process: TensorFlow beside JAX takes seconds to load, and the models need no gm_keras."""
    import onnxruntime

    folder = project / "exports" / "tiny" / "networks"
    arrays = {}
    for name, description in described["networks"].items():
        inputs = _inputs(description, 4)
        arrays |= {f"{name}.{key}": value for key, value in inputs.items()}
        session = onnxruntime.InferenceSession(folder / f"{name}.onnx")
        arrays[f"{name}:expected"] = session.run(None, inputs)[0]
    np.savez(project / "cases.npz", **arrays)
    code = """if True:
        import sys
        import numpy as np
        import tensorflow as tf
        cases = np.load("cases.npz")
        for name in ("encoder", "decoder"):
            serve = tf.saved_model.load(f"{sys.argv[1]}/{name}").signatures["serving_default"]
            inputs = {k.split(".")[1]: tf.constant(v) for k, v in cases.items() if k.startswith(name + ".")}
            np.testing.assert_allclose(serve(**inputs)["output_0"], cases[name + ":expected"], atol=1e-5)
    """
    environment = _environment()
    del environment["PYTHONPATH"]
    command = [sys.executable, "-c", code, str(folder)]
    subprocess.run(command, cwd=project, env=environment, check=True, timeout=120)


def test_the_whole_model_samples_the_same(project, described, model):
    from pipelines.exports.safe_load import load_keras

    loaded = load_keras(project / "exports" / "tiny" / "model.keras")
    np.testing.assert_array_equal(loaded.sample(4, seed=3), model.sample(4, seed=3))
    assert described["sample_shape"] == [8, 8, 1]
    assert described["num_classes"] == 10


def test_the_sampler_is_registered_in_the_run_of_the_training(project, client, described):
    version = client.get_model_version_by_alias("tiny", "challenger")
    run_id = json.loads((project / "models" / "tiny" / "run.json").read_text())["run_id"]
    assert str(version.version) == "1"
    assert version.run_id == run_id
    assert version.tags["model_sha256"] == described["model_sha256"]
    assert len(version.tags["weights_sha256"]) == 64
    run = client.get_run(run_id)
    assert run.info.status == "FINISHED"
    assert run.data.tags["model.version"] == "1"

    import mlflow

    info = mlflow.models.get_model_info("models:/tiny@challenger")
    assert [item.name for item in info.signature.params.params] == ["n", "seed", "format", "label"]
    assert info.signature.outputs.inputs[0].shape == (-1, 8, 8, 1)
    place = Path(mlflow.artifacts.download_artifacts("models:/tiny@challenger"))
    assert place.is_relative_to(project / "mlartifacts")
    assert not (project / "mlruns").exists()
    pinned = (place / "requirements.txt").read_text().splitlines()
    names = {line.split("==")[0] for line in pinned}
    assert names >= {"keras", "numpy", "jax", "mlflow", "scipy", "pydantic", "scikit-learn"}
    assert "tensorflow-cpu" not in names
    assert all("==" in line for line in pinned)


def _register(project: Path, model: Path, code: str | None = None) -> str:
    run_id = json.loads((project / "models" / "tiny" / "run.json").read_text())["run_id"]
    run = tracking.resume_run(TRACKING, "tiny", run_id, parameters={}, tags={})
    code = code or run.client.get_run(run_id).data.tags["code.export"]
    sampler = registration.Sampler("tiny", model, (8, 8, 1), "jax", {}, code)
    return registration.register(run, sampler, {})


def test_a_version_says_what_it_is_and_how_good(project, client, tmp_path):
    metrics = {"fid": 2.5, "fid_stderr": 0.5, "primary": {"name": "fid"}}
    run_id = json.loads((project / "models" / "tiny" / "run.json").read_text())["run_id"]
    facts = {"parameters": {}, "tags": {"system": "vae", "data": "digits"}}
    run = tracking.resume_run(TRACKING, "tiny", run_id, **facts)
    client.set_tag(run_id, "data", "digits")
    model = tmp_path / "model.keras"
    model.write_bytes(b"another one")
    sampler = registration.Sampler("described", model, (8, 8, 1), "jax", {}, "0" * 16)
    headline = scored(metrics).headline
    number = registration.register(run, sampler, {}, project / "data" / "digits", headline)
    version = client.get_model_version("described", number)
    name = client.get_run(run_id).info.run_name
    for words in ("FID 2.5 ± 0.5", "digits, 100 training examples", f"Run: {name}"):
        assert words in version.description
    assert version.tags["score"] == "FID 2.5 ± 0.5"
    assert (version.tags["data"], version.tags["run"]) == ("digits", name)
    assert client.get_registered_model("described").description.startswith("**tiny**")


def test_the_same_model_is_registered_once(project, client, tmp_path):
    exported = project / "exports" / "tiny" / "model.keras"
    assert _register(project, exported) == "1"

    other = tmp_path / "model.keras"
    other.write_bytes(exported.read_bytes() + b"\0")
    assert _register(project, other) == "2"
    assert str(client.get_model_version_by_alias("tiny", "challenger").version) == "2"

    # Other code may draw other samples from the same weights.
    assert _register(project, exported, "0" * 16) == "3"

    # Back to the first one, as after going back to earlier parameters.
    assert _register(project, exported) == "1"
    assert str(client.get_model_version_by_alias("tiny", "challenger").version) == "1"
    assert len(client.search_model_versions("name = 'tiny'")) == 3


def _fails(project: Path, key: str = "tiny") -> str:
    result = run_here(project, "export", key)
    assert result.returncode == 1, result.stderr
    lines = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, result.stderr
    assert "Traceback" not in result.stderr
    return lines[0]


def test_damaged_weights_are_one_line_and_the_old_export_stays(project):
    weights = project / "models" / "tiny" / "model.weights.h5"
    before = (project / "exports" / "tiny" / "export.json").read_bytes()
    whole = weights.read_bytes()
    try:
        weights.write_bytes(whole[: len(whole) // 2])
        told = _fails(project)
        assert "model.weights.h5" in told
        assert "train@tiny" in told
        weights.unlink()
        told = _fails(project)
        assert "model.weights.h5 is missing" in told
        assert "train@tiny" in told
    finally:
        weights.write_bytes(whole)
    assert (project / "exports" / "tiny" / "export.json").read_bytes() == before
    assert [path.name for path in (project / "exports").iterdir()] == ["tiny"]


def test_a_place_that_cannot_be_written_is_one_line(project):
    kept = (project / "exports").rename(project / "kept")
    try:
        (project / "exports").write_text("a file where a folder belongs")
        assert "exports" in _fails(project)
    finally:
        (project / "exports").unlink()
        kept.rename(project / "exports")


def test_a_key_that_is_not_there_is_one_line(project):
    assert 'no system "tinny"' in _fails(project, "tinny")


def test_no_key_is_an_error_of_usage(project):
    result = subprocess.run(
        [sys.executable, "-m", "pipelines.export"],
        cwd=project,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 2
    assert "usage" in result.stderr


@pytest.fixture
def server(project):
    """`mlflow models serve` on a free port, as the README says it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = SERVE.replace("/vae@", "/tiny@").replace("5001", str(port))
    environment = _environment()
    # What is served is the copy of gm_keras in the model, on the backend that trained it.
    del environment["PYTHONPATH"]
    environment.pop("KERAS_BACKEND", None)
    environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
    log = (project / "serve.log").open("w")
    process = subprocess.Popen(
        ["bash", "-c", command],
        cwd=project,
        env=environment,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{url}/ping", timeout=5).close()
                break
            except OSError:
                assert process.poll() is None, (project / "serve.log").read_text()
                time.sleep(0.5)
        yield url
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)
        log.close()


def _ask(url: str, **params: int | str) -> np.ndarray:
    return np.array(_answer(url, **params), "float32")


def _answer(url: str, **params: int | str) -> list:
    body = json.dumps({"inputs": [[0.0]], "params": params}).encode()
    request = urllib.request.Request(
        f"{url}/invocations", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=120) as answer:
        return json.load(answer)["predictions"]


@pytest.mark.slow
def test_the_challenger_can_be_served(server, model):
    samples = _ask(server, n=4, seed=3)
    assert samples.shape == (4, 8, 8, 1)
    np.testing.assert_array_equal(samples, _ask(server, n=4, seed=3))
    np.testing.assert_allclose(samples, model.sample(4, seed=3, batch_size=4), atol=1e-5)
    assert not np.array_equal(samples, _ask(server, n=4, seed=4))
    assert _ask(server, n=2, label=7).shape == (2, 8, 8, 1)
    for wrong, words in (
        ({"label": 10}, "label 10 is out of range"),
        ({"temprature": 1}, "unknown parameter temprature: expected format, label, n, seed"),
        ({"format": "jpg"}, "format 'jpg': expected array, png or rows"),
    ):
        with pytest.raises(urllib.error.HTTPError) as told:
            _ask(server, n=2, **wrong)
        assert told.value.code == 400
        assert words in told.value.read().decode()
    first, _ = _answer(server, n=2, seed=3, format="png")
    with Image.open(io.BytesIO(base64.b64decode(first))) as picture:
        assert (picture.format, picture.size) == ("PNG", (8, 8))
        shown = np.asarray(picture)[..., :1] / 127.5 - 1.0
    np.testing.assert_allclose(shown, samples[0], atol=1 / 127)
