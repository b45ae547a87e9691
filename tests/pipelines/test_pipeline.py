"""The whole pipeline on tiny data, as a user runs it: outputs, lineage, mistakes."""

import hashlib
import json
import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.shared import scores
from tests.projects import copy_of, run, run_here, trained

pytestmark = [pytest.mark.backend, pytest.mark.pipeline, pytest.mark.slow]

# What does not depend on the backend runs with one.
once = pytest.mark.once("jax")
FLOW = """
  flow:
    class: realnvp
    data: digits
    uses: none
    model: {}
    optimizers: {main: {class: adam}}
    fit: {epochs: 1, batch_size: 64}
    sample: {}
    evaluate: {samples: 100}
"""
KEEP = ("models", "reports", "exports", "data")


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    base = tmp_path_factory.mktemp("project")
    folder = copy_of(trained(base, os.environ["KERAS_BACKEND"]), base / "copy")
    # Another system, which is not trained.
    with (folder / "params.yaml").open("a") as params:
        params.write(FLOW)
    return folder


def stale(folder: Path, *stages: str) -> set[str]:
    done = run(folder, "dvc", "status", "--json", *stages)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


def digest(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for name in KEEP
        for path in sorted((folder / name).rglob("*"))
        if path.is_file()
    }


def test_every_stage_writes_its_outputs(project):
    for name in (
        "data/digits/dataset.json",
        "models/vae/config.json",
        "models/vae/model.weights.h5",
        "models/vae/run.json",
        "reports/vae/epochs/epoch_0020.png",
        "reports/vae/history.csv",
        "reports/vae/curves/elbo_loss.csv",
        "reports/vae/scores.json",
        "reports/vae/calibration.json",
        "reports/vae/seeds.json",
        "reports/vae/samples.png",
        "reports/vae/pictures.json",
        "reports/vae/latents/interpolation.png",
        "reports/vae/timing.json",
        "exports/vae/model.keras",
        "exports/vae/export.json",
        "reports/index.html",
        "reports/vae.html",
    ):
        assert (project / name).is_file(), name
    assert list((project / "exports/vae").rglob("*.onnx"))
    assert list((project / "exports/vae").rglob("saved_model.pb"))


def test_the_metrics_are_numbers_with_their_circumstances(project):
    metrics = json.loads((project / "reports/vae/scores.json").read_text())
    assert metrics["generated"] == 200
    assert metrics["split"] == "test"
    assert metrics["primary"] == {
        "name": "negative_elbo_nats",
        "value": metrics["negative_elbo_nats"],
        "better": "lower",
    }
    # Independent pixels that are 0 or 1 with even odds cost 64 ln 2 = 44.4 nats.
    assert 10.0 < metrics["negative_elbo_nats"] < 40.0
    assert metrics["extractor"]["accuracy"] > 0.9
    history = (project / "reports/vae/history.csv").read_text().splitlines()
    assert history[0].startswith("epoch,elbo_loss,")
    assert len(history) == 21


def test_scores_lie_between_real_examples_and_noise(project):
    metrics = json.loads((project / "reports/vae/scores.json").read_text())
    rows = json.loads((project / "reports/vae/calibration.json").read_text())
    for name in ("negative_elbo_nats", "bits_per_dim", "nll_estimate_nats"):
        assert metrics[name] < rows["ceiling"][name], name
    # The blurred digits of so short a training may be farther from real ones than noise is.
    for name in ("classifier_fid", "classifier_kid", "negative_elbo_nats", "bits_per_dim"):
        assert rows["floor"][name] < rows["ceiling"][name], name
    for name in ("classifier_fid", "classifier_kid"):
        assert rows["floor"][name] < metrics[name], name
    for name in ("classifier_is", "precision", "coverage", "reconstruction_psnr"):
        assert rows["floor"][name] > rows["ceiling"][name], name
    assert rows["floor"]["classifier_fid"] < 0.1 * rows["ceiling"]["classifier_fid"]
    assert metrics["reconstruction_psnr"] > rows["ceiling"]["reconstruction_psnr"]
    # No untrained model is better than sixty-four fair coins.
    assert rows["ceiling"]["negative_elbo_nats"] > 0.97 * 64 * np.log(2.0)
    assert metrics["likelihood"]["kind"] == "bound"
    assert metrics["likelihood"]["importance_samples"] == 64
    assert (metrics["ms_ssim_scales"], metrics["ms_ssim_window"]) == (1, 7)
    errors = {name for name in metrics if name.endswith("_stderr")}
    assert {"classifier_fid_stderr", "classifier_kid_stderr", "classifier_is_stderr"} <= errors
    assert {"precision_stderr", "recall_stderr", "density_stderr", "coverage_stderr"} <= errors


def test_evaluating_twice_gives_the_same_bytes(project):
    folder = project / "reports/vae"
    kept = [
        *(folder / name for name in ("scores.json", "calibration.json", "seeds.json")),
        *sorted((folder / "latents").iterdir()),
    ]
    before = {path: path.read_bytes() for path in kept}
    timing = (folder / "timing.json").read_bytes()
    done = run(project, "python", "-m", "pipelines.evaluate", "vae")
    assert done.returncode == 0, done.stderr[-3000:]
    # The time is another, and DVC would take note of that.
    (folder / "timing.json").unlink()
    (folder / "timing.json").write_bytes(timing)
    assert {path: path.read_bytes() for path in kept} == before
    assert not list((project / "build").glob(".evaluate_vae.*"))


def test_the_extractor_keeps_what_it_made_of_the_real_examples(project):
    from gm_keras.data import PreparedData
    from gm_keras.metrics.examples import drawn
    from gm_keras.metrics.features import load_extractor

    data = PreparedData(project / "data/digits")
    extractor = load_extractor(data, project / "extractors/digits")
    features, probabilities = extractor.kept["test"]
    assert np.allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
    right = probabilities.argmax(axis=1) == data.arrays("test")["label"]
    assert right.mean() == pytest.approx(extractor.accuracy, abs=0.003)
    assert np.allclose(extractor(data.scaled("test")), features, atol=1e-4)
    # Floors are taken from the beginning of these rows, which are drawn with the project's seed.
    rows = drawn(data.size("train"), 10_000, seed=3)
    assert sorted(rows) == list(range(data.size("train")))
    assert list(drawn(data.size("train"), 50, seed=3)) == list(rows[:50])
    few = extractor.measure(data.scaled("train", None, rows[:300]))
    for kept, measured in zip(extractor.kept["train"], few, strict=True):
        # This process compiles with less optimization than the stage did.
        np.testing.assert_allclose(measured, kept[:300], rtol=1e-4, atol=1e-4)


def evaluated_anew(project: Path, setting: str) -> tuple[dict, dict]:
    """The scores of the VAE as they are, and with one more setting of its evaluation."""
    params, output = project / "params.yaml", project / "other.json"
    text = params.read_text()
    try:
        params.write_text(text.replace("samples: 200}", f"samples: 200, {setting}}}", 1))
        other = ("--model", "exports/vae/model.keras", "--output", str(output))
        done = run_here(project, "evaluate", "vae", *other)
        assert done.returncode == 0, done.stderr[-3000:]
    finally:
        params.write_text(text)
    as_it_was = project / "reports/vae/scores.json"
    return json.loads(as_it_was.read_text()), json.loads(output.read_text())


@once
def test_several_seeds_are_averaged(project):
    one, two = evaluated_anew(project, "seeds: 2")
    assert (one["seeds"], two["seeds"]) == (1, 2)
    # The second seed draws other samples, about as good.
    second = 2.0 * two["classifier_fid"] - one["classifier_fid"]
    assert second != pytest.approx(one["classifier_fid"], abs=1e-3)
    assert second == pytest.approx(one["classifier_fid"], rel=0.5)


@once
def test_some_examples_give_the_scores_of_all_within_their_errors(project):
    whole, some = evaluated_anew(project, "examples: 180")
    assert (some["real"], some["real_of"]) == (180, 360)
    assert (whole["real"], whole["real_of"]) == (360, 360)
    # Coverage grows as real examples get fewer, and their balls larger: it is comparable within one number of them.
    names = ("negative_elbo_nats", "nll_estimate_nats", "reconstruction_psnr", "classifier_fid")
    for name in (*names, "precision", "recall"):
        errors = [scores.error_of(each, name) for each in (whole, some)]
        assert abs(some[name] - whole[name]) < 3.0 * np.hypot(*errors), name
    assert some["elbo_nats_stderr"] > 1.2 * whole["elbo_nats_stderr"]


@once
def test_the_run_has_every_score_and_what_to_compare_it_by(project):
    from mlflow import MlflowClient

    run_id = json.loads((project / "models/vae/run.json").read_text())["run_id"]
    client = MlflowClient(f"sqlite:///{project / 'mlflow.db'}")
    run = client.get_run(run_id)
    found = run.data
    metrics = json.loads((project / "reports/vae/scores.json").read_text())
    rows = json.loads((project / "reports/vae/calibration.json").read_text())
    assert {"system": "vae", "family": "latent", "data": "digits"}.items() <= found.tags.items()
    assert len(found.metrics) <= 25
    for name in ("classifier_fid", "negative_elbo_nats"):
        assert found.metrics[f"test/{name}"] == pytest.approx(metrics[name])
    table = json.loads(Path(client.download_artifacts(run_id, "scores.json")).read_text())
    rows_of_table = [dict(zip(table["columns"], row, strict=True)) for row in table["data"]]
    scores = {row["name"]: row for row in rows_of_table}
    for name in ("classifier_fid", "negative_elbo_nats", "coverage"):
        assert scores[name]["value"] == pytest.approx(metrics[name])
        assert scores[name]["noise or untrained"] == pytest.approx(rows["ceiling"][name])
    error = metrics["classifier_fid_stderr"]
    assert scores["classifier_fid"]["standard error"] == pytest.approx(error)
    registered = client.get_model_version_by_alias("vae", "challenger")
    assert "Negative ELBO" in registered.description
    assert f"Run: {run.info.run_name}" in registered.description


@once
def test_dvc_shows_curves_and_grids(project):
    done = run(project, "dvc", "plots", "show", "--json", "-o", "plots")
    # The other system was not trained.
    shown = json.loads(done.stdout)["data"]
    assert "reports/vae/curves/elbo_loss.csv" in str(shown)
    assert {"reports/vae/samples.png", "reports/vae/latents/interpolation.png"} <= shown.keys()


def test_the_pictures_are_not_blank(project):
    picture = np.asarray(Image.open(project / "reports/vae/samples.png"))
    assert picture.std() > 20.0


def test_a_page_is_one_file_that_needs_no_network(project):
    index = (project / "reports/index.html").read_text(encoding="utf-8")
    assert 'href="vae.html"' in index
    page = (project / "reports/vae.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") >= 3
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert json.loads((project / "models/vae/run.json").read_text())["run_id"] in page


def test_a_second_repro_does_nothing(project):
    assert not stale(project, "export@vae", "evaluate@vae", "train@vae", "prepare@digits")
    done = run(project, "dvc", "repro", "export@vae")
    # The system that is new in params.yaml is checked and its modules are listed; nothing else is done.
    assert set(re.findall("Running stage '([^']+)'", done.stdout)) <= {"check", "sources"}
    done = run(project, "dvc", "repro", "export@vae")
    assert "Running stage" not in done.stdout


@once
def test_an_argument_makes_its_system_stale_and_no_other(project):
    params = project / "params.yaml"
    text = params.read_text()
    try:
        params.write_text(text.replace("latent_dim: 4", "latent_dim: 5"))
        assert "train@vae" in stale(project, "train@vae")
        assert not stale(project, "prepare@digits", "extractor@digits")
        params.write_text(text.replace("fit: {epochs: 1,", "fit: {epochs: 2,"))
        assert not stale(project, "train@vae", "evaluate@vae", "export@vae")
        params.write_text(text.replace("evaluate: {samples: 200}", "evaluate: {samples: 300}"))
        assert stale(project, "train@vae", "evaluate@vae") == {"evaluate@vae"}
    finally:
        params.write_text(text)


@once
def test_the_same_weights_under_another_run_make_nothing_stale(project):
    path = project / "models/vae/run.json"
    text = path.read_text()
    try:
        path.unlink()
        path.write_text(json.dumps({"run_id": "0" * 32, "backend": "jax"}))
        assert not stale(project, "evaluate@vae", "export@vae")
    finally:
        path.write_text(text)


@once
@pytest.mark.parametrize(
    ("old", "new", "stage", "parts"),
    [
        ("epochs: 20", "epoch: 20", "train@vae", ["systems.vae.fit.epoch", '"epochs"']),
        ("sample: {}", "sample: {noize: true}", "evaluate@vae", ["systems.vae.sample.noize"]),
        ("0.003", "-0.003", "train@vae", ["optimizers.main.learning_rate", "above 0, not -0.003"]),
        (
            "    data: digits\n    uses: none\n    model: {lat",
            "    data: digit\n    uses: none\n    model: {lat",
            "train@vae",
            ["digit"],
        ),
    ],
)
def test_a_mistake_in_params_is_told_before_anything_is_removed(project, old, new, stage, parts):
    params = project / "params.yaml"
    text, before = params.read_text(), digest(project)
    assert old in text
    try:
        params.write_text(text.replace(old, new, 1))
        done = run(project, "dvc", "repro", stage)
        assert done.returncode != 0
        assert digest(project) == before
        direct = run(project, "python", "-m", "pipelines.train", "vae")
        assert direct.returncode == 1
        for part in parts:
            assert part in direct.stderr
        assert direct.stderr.count("\n") == 1, direct.stderr
        assert direct.stderr.startswith("error: ")
    finally:
        params.write_text(text)


@once
@pytest.mark.parametrize(
    ("change", "stage", "parts"),
    [
        (
            ("binarize: true,", "binarize: true, image_shape: [28, 28, 1],"),
            "train",
            ["(8, 8, 1)", "(28, 28, 1)"],
        ),
        (("num_classes: 10", "num_classes: 7"), "train", ["num_classes is 7", "10 classes"]),
        (("batch_size: 64, grids: 4", "batch_size: 640000, grids: 4"), "train", ["640000"]),
        (("learning_rate: 0.003", "learning_rate: 1000.0"), "train", ["lower the learning rate"]),
        (("samples: 200", "samples: 32"), "evaluate", ["samples is 32", "at least 33"]),
        (
            ("samples: 200", "samples: 200, examples: 9"),
            "evaluate",
            ["examples is 9", "at least 33"],
        ),
    ],
)
def test_a_mistake_that_only_the_stage_can_see(project, change, stage, parts):
    params = project / "params.yaml"
    text, before = params.read_text(), digest(project)
    assert change[0] in text
    try:
        params.write_text(text.replace(*change, 1))
        done = run_here(project, stage, "vae")
        assert done.returncode == 1, done.stdout
        lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
        assert len(lines) == 1, done.stderr
        assert "Traceback" not in done.stderr
        for part in parts:
            assert part in lines[0]
        assert digest(project) == before
    finally:
        params.write_text(text)


@once
@pytest.mark.parametrize(
    ("damage", "parts"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:2000]), ["model.weights.h5", "damaged"]),
        (lambda path: path.unlink(), ["model.weights.h5", "missing", "train@vae"]),
    ],
)
def test_damaged_weights_are_named(project, damage, parts):
    path = project / "models/vae/model.weights.h5"
    content, before = path.read_bytes(), digest(project)
    try:
        copy = path.with_suffix(".copy")
        copy.write_bytes(content)
        copy.replace(path)
        damage(path)
        for stage in ("evaluate", "export"):
            done = run_here(project, stage, "vae")
            assert done.returncode == 1
            assert "Traceback" not in done.stderr
            line = next(line for line in done.stderr.splitlines() if line.startswith("error: "))
            for part in parts:
                assert part in line
    finally:
        path.write_bytes(content)
    assert digest(project) == before


@once
def test_usage(project):
    for stage in ("prepare", "extractor", "train", "evaluate", "export"):
        done = run(project, "python", "-m", f"pipelines.{stage}")
        assert done.returncode == 2, stage
        assert "usage" in done.stderr
