"""What MLflow holds after a training, and what happens when its store is not as it should be."""

import json
import os
import socket
import subprocess
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines import tracking
from pipelines.settings import TrackingSettings, project_root
from pipelines.shared import scores
from pipelines.shared.errors import UserError
from pipelines.tracking import describing, naming, store, tracked_run, ui
from pipelines.tracking.scored import MOST_NUMBERS, scored
from tests.projects import parts
from tests.projects.tiny import make_project

TRACKING = TrackingSettings(uri="sqlite:///mlflow.db", experiment="tiny_experiment")
FACTS = {
    "parameters": {"class": "vae", "model": {"units": [8, 8], "latent_dim": 2}, "sample": {}},
    "tags": {"system": "vae", "family": "latent", "data": "digits", "backend": "jax", "seed": "0"},
    "data": Path("data/digits"),
}
METRICS = {
    **{name: float(number) for number, name in enumerate(scores.SCORES)},
    "nll_nats": 3.0,
    "nll_nats_stderr": 0.25,
    "primary": {"name": "nll_nats", "value": 3.0},
    "real": 10,
}
CALIBRATION = {"floor": {"nll_nats": 1.0}, "ceiling": {"nll_nats": 90.0}}


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project that is a git repository, with a store."""
    folder = make_project(tmp_path_factory.mktemp("project"))
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("DVC_ROOT", raising=False)
        patch.delenv("DVC_EXP_NAME", raising=False)
        patch.chdir(folder)
        parts.start_repository(folder)
        parts.commit_all(folder)
        tracking.check(TRACKING)
        yield folder


@pytest.fixture
def client(project):
    """MLflow's own client of the project's store."""
    import mlflow

    return mlflow.MlflowClient(f"sqlite:///{project}/mlflow.db")


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_a_training_leaves_everything_in_one_run(project, client, capfd):
    Image.new("L", (8, 8)).save(project / "grid.png")
    with tracking.start_run(TRACKING, "tiny", **FACTS) as run:
        assert client.get_run(run.run_id).info.status == "RUNNING"
        for epoch in (1, 2, 3):
            run.log_epoch(epoch, {"elbo_loss": 1.0 / epoch, "kl": np.float32(0.5)})
        run.log_image(project / "grid.png", "samples", 2)
        run.log_image(np.zeros((8, 8), "uint8"), "samples", 3)
    assert capfd.readouterr().out == ""

    again = tracking.resume_run(TRACKING, "tiny", run.run_id, **FACTS)
    again.log_scores(scored(METRICS, CALIBRATION), FACTS["data"])
    assert again.run_id == run.run_id

    stored = client.get_run(run.run_id)
    assert stored.info.run_name == f"tiny {_git('rev-parse', '--short', 'HEAD')}"
    assert stored.info.status == "FINISHED"
    assert stored.info.artifact_uri.startswith((project / "mlartifacts").as_uri())
    assert stored.data.params == {
        "class": "vae",
        "model.units": "[8, 8]",
        "model.latent_dim": "2",
        "sample": "{}",
    }
    assert stored.data.metrics["test/nll_nats"] == 3.0
    curve = client.get_metric_history(run.run_id, "elbo_loss")
    assert [(point.step, point.value) for point in curve] == [(1, 1.0), (2, 0.5), (3, 1.0 / 3)]
    tags = stored.data.tags
    assert FACTS["tags"].items() <= tags.items()
    assert tags["git.revision"] == _git("rev-parse", "HEAD")
    assert len(tags["dvc.revision"]) == 32
    pictures = [artifact.path for artifact in client.list_artifacts(run.run_id, "images")]
    for step in (2, 3):
        assert any(path.startswith(f"images/samples+step+{step}+") for path in pictures), pictures
    (data,) = stored.inputs.dataset_inputs
    assert data.dataset.name == "digits"
    assert "digits" in json.loads(data.dataset.source)["uri"]
    assert json.loads(data.dataset.profile)["train_rows"] == 100


def test_changes_are_noted_but_not_those_of_the_pipeline(project, client):
    def dirty() -> str:
        run = tracking.start_run(TRACKING, "tiny", **FACTS)
        return client.get_run(run.run_id).data.tags["git.dirty"]

    assert dirty() == "false"
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text + "# changed\n")
    assert dirty() == "true"
    (project / "params.yaml").write_text(text)


def test_the_revision_of_the_data_is_that_of_dvc(project, client):
    lock = "stages:\n  prepare@digits:\n    outs:\n    - path: data/digits\n      md5: abc.dir\n"
    (project / "dvc.lock").write_text(lock)
    try:
        run = tracking.start_run(TRACKING, "tiny", **FACTS)
    finally:
        (project / "dvc.lock").unlink()
    assert client.get_run(run.run_id).data.tags["dvc.revision"] == "abc.dir"


@contextmanager
def _edited(project, *changes):
    """The project with texts of `params.yaml` replaced."""
    path = project / "params.yaml"
    before = path.read_text()
    text = before
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    try:
        yield
    finally:
        path.write_text(before)


@pytest.mark.parametrize(
    ("changes", "name"),
    [
        ([("latent_dim: 2", "latent_dim: 8")], "tiny latent_dim=8"),
        ([("epochs: 2", "epochs: 3"), ("latent_dim: 2", "latent_dim: 8")], "tiny latent_dim=8 epochs=3"),
        ([("num_classes: 10", "likelihood: gaussian")], "tiny likelihood=gaussian no num_classes"),
        ([("  tiny:", "  other:")], "tiny {commit}-dirty"),
    ],
)  # fmt: skip
def test_a_run_is_named_by_what_changed(project, client, changes, name):
    commit = _git("rev-parse", "--short", "HEAD")
    with _edited(project, *changes):
        run = tracking.start_run(TRACKING, "tiny", **FACTS)
    stored = client.get_run(run.run_id)
    assert stored.info.run_name == name.format(commit=commit)
    if "=" in name:
        assert name.split()[1] in stored.data.tags["changed"]
        assert name.split()[1] in stored.data.tags[describing.NOTE]


def test_a_run_is_named_by_its_experiment(project, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "wide")
    assert naming.run_name(project, "tiny") == "tiny wide"
    with _edited(project, ("latent_dim: 2", "latent_dim: 8")):
        assert naming.run_name(project, "tiny") == "tiny latent_dim=8 (wide)"
        # The commit that the experiment began with may not be the present one.
        parts.commit_all(project)
        monkeypatch.setenv("DVC_EXP_BASELINE_REV", _git("rev-parse", "HEAD~1"))
        assert naming.run_name(project, "tiny") == "tiny latent_dim=8 (wide)"
    _git("reset", "--soft", "HEAD~1")


def test_a_name_has_an_end(project):
    many = "".join(f"      argument_{number}: {number}\n" for number in range(20))
    with _edited(project, ("    model:\n", f"    model:\n{many}")):
        name = naming.run_name(project, "tiny")
        assert len(name) <= naming.LONGEST
        assert name.startswith("tiny argument_0=0 argument_1=1 ")
        assert int(name.rpartition("+")[2]) == 20 - name.count("argument_")
    with _edited(project, ("latent_dim: 2", f"latent_dim: {'x' * 500}")):
        assert len(naming.run_name(project, "tiny")) <= naming.LONGEST


def test_a_name_tells_settings_apart_and_knows_a_new_system(project):
    with _edited(project, ("class: adam", "class: adam\n        epochs: 3")):
        assert naming.run_name(project, "tiny") == "tiny main.epochs=3"
    assert naming.run_name(project, "tiny", backend="torch") == naming.run_name(project, "tiny")
    with _edited(project, ("  tiny:", "  fresh:")):
        assert naming.run_name(project, "fresh") == "fresh (new)"


def test_a_run_has_few_metrics_and_a_table_of_all_scores(client):
    curves = {f"curve_{number}": 1.0 for number in range(40)}
    with tracking.start_run(TRACKING, "tiny", **FACTS) as run:
        run.log_epoch(1, curves)
        run.log_epoch(2, curves)
    all_scores = scored(METRICS, CALIBRATION)
    for _ in range(2):  # an evaluation may run again
        again = tracking.resume_run(TRACKING, "tiny", run.run_id, **FACTS)
        again.log_scores(all_scores)
    names = client.get_run(run.run_id).data.metrics
    assert len(names) == tracked_run.MOST_METRICS == 25
    assert sum(name.startswith("test/") for name in names) == MOST_NUMBERS
    assert {"curve_0", "test/nll_nats"} <= names.keys()

    experiment = client.get_run(run.run_id).info.experiment_id
    table = client.load_table(experiment, "scores.json", run_ids=[run.run_id])
    assert sorted(table["name"]) == sorted(scores.SCORES)
    (row,) = table[table["name"] == "nll_nats"].to_dict("records")
    assert (row["value"], row["standard error"]) == (3.0, 0.25)
    assert (row["real data"], row["noise or untrained"]) == (1.0, 90.0)


def test_a_description_says_what_it_is_and_how_good(client):
    with tracking.start_run(TRACKING, "tiny", **FACTS) as run:
        pass

    def described():
        return client.get_run(run.run_id).data.tags[describing.NOTE]

    assert "Encoder and decoder" in described()
    assert "not measured yet" in described()
    assert "digits, 100 training examples (image 8 x 8 x 1, label number)" in described()
    again = tracking.resume_run(TRACKING, "tiny", run.run_id, **FACTS)
    again.log_scores(scored(METRICS), FACTS["data"])
    assert "NLL 3.00 ± 0.25 nats, on the test set" in described()
    client.set_tag(run.run_id, describing.NOTE, "the one for the talk")
    again.log_scores(scored(METRICS), FACTS["data"])
    assert described() == "the one for the talk"


def test_scores_without_a_headline():
    found = scored({"recall": 0.5, "primary": None})
    assert (found.headline, found.numbers) == ("", {"recall": 0.5})
    assert scored({}).table == {}


def test_pages_begin_with_runs_unless_a_user_chose_otherwise(client):
    def kind(identifier):
        return client.get_experiment(identifier).tags[store.KIND]

    identifier = client.get_experiment_by_name(TRACKING.experiment).experiment_id
    assert kind(identifier) == "custom_model_development"
    earlier = client.create_experiment("earlier")
    tracking.check(TrackingSettings(experiment="earlier"))
    assert kind(earlier) == "custom_model_development"
    for before, after in (
        ("genai_development_inferred", "custom_model_development"),
        ("genai_development", "genai_development"),
    ):
        client.set_experiment_tag(earlier, store.KIND, before)
        tracking.check(TrackingSettings(experiment="earlier"))
        assert kind(earlier) == after


def test_the_address_that_make_ui_prints_is_that_of_the_runs(client, monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")  # where MLflow keeps the last store
    identifier = client.get_experiment_by_name(TRACKING.experiment).experiment_id
    assert ui.runs_page() == f"/#/experiments/{identifier}?workflowType=machine_learning"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://elsewhere")
    assert ui.runs_page() is None


@pytest.mark.parametrize(
    ("error", "status"), [(ValueError, "FAILED"), (KeyboardInterrupt, "KILLED")]
)
def test_a_training_that_breaks_off_is_marked(client, error, status):
    with pytest.raises(error), tracking.start_run(TRACKING, "tiny", **FACTS) as run:
        raise error
    assert client.get_run(run.run_id).info.status == status


def test_one_run_takes_the_place_of_a_lost_one(client, capsys):
    with tracking.start_run(TRACKING, "tiny", **FACTS) as run:
        pass
    client.delete_run(run.run_id)
    first = tracking.resume_run(TRACKING, "tiny", run.run_id, **FACTS)
    assert f"does not have run {run.run_id}" in capsys.readouterr().out
    second = tracking.resume_run(TRACKING, "tiny", run.run_id, **FACTS)
    assert first.run_id == second.run_id != run.run_id
    assert client.get_run(first.run_id).info.status == "FINISHED"


def test_a_store_that_goes_away_does_not_end_a_training(client, capsys, monkeypatch):
    monkeypatch.setattr(tracked_run, "SECONDS_BETWEEN_ATTEMPTS", 0.0)
    with tracking.start_run(TRACKING, "tiny", **FACTS) as run:
        run.log_epoch(1, {"loss": 3.0})
        with monkeypatch.context() as away:
            away.setattr(run.client, "log_batch", _refuse)
            run.log_epoch(2, {"loss": 2.0})
            run.settle()
        run.log_epoch(3, {"loss": 1.0})
    assert capsys.readouterr().out.count("connection refused") == 1
    curve = client.get_metric_history(run.run_id, "loss")
    assert [(point.step, point.value) for point in curve] == [(1, 3.0), (2, 2.0), (3, 1.0)]


def test_a_training_does_not_wait_for_a_slow_store(client, monkeypatch):
    asked, answers = threading.Event(), threading.Event()
    with tracking.start_run(TRACKING, "tiny", **FACTS) as run:
        log_batch = run.client.log_batch

        def slow(*arguments, **options):
            asked.set()
            assert answers.wait(60)
            return log_batch(*arguments, **options)

        monkeypatch.setattr(run.client, "log_batch", slow)
        for epoch in (1, 2, 3):
            run.log_epoch(epoch, {"loss": 1.0 / epoch})
        assert asked.wait(60)
        assert client.get_metric_history(run.run_id, "loss") == []
        answers.set()
        run.settle()
        curve = client.get_metric_history(run.run_id, "loss")
        assert [point.step for point in curve] == [1, 2, 3]
    assert client.get_run(run.run_id).info.status == "FINISHED"


@pytest.mark.usefixtures("project")
def test_a_store_that_goes_away_ends_an_evaluation(monkeypatch):
    with tracking.start_run(TRACKING, "tiny", **FACTS) as run:
        pass
    again = tracking.resume_run(TRACKING, "tiny", run.run_id, **FACTS)
    monkeypatch.setattr(again.client, "log_batch", _refuse)
    with pytest.raises(UserError, match="connection refused"):
        again.log_scores(scored(METRICS))


def _refuse(*_, **__):
    raise OSError("connection refused")


@pytest.mark.parametrize("answers", [True, False], ids=["accepts and is silent", "refuses"])
def test_an_unreachable_server_is_told_at_once(monkeypatch, answers):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(store, "PROBE_SECONDS", 1.0)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        if answers:
            server.listen()
        uri = f"http://user:secret@127.0.0.1:{server.getsockname()[1]}"
        started = time.monotonic()
        with pytest.raises(UserError, match="cannot reach the tracking server") as told:
            tracking.check(TrackingSettings(uri=uri))
        assert time.monotonic() - started < 4
    assert "secret" not in str(told.value)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("kind", ["folder", "garbage", "file above", "unknown"])
def test_a_store_that_cannot_be_written_is_one_line(tmp_path, monkeypatch, kind):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    path = tmp_path / "store"
    if kind == "folder":
        path.mkdir()
    else:
        path.write_text("this is no database, and long enough to be seen as none " * 20)
    uri = f"sqlite:///{path / 'mlflow.db' if kind == 'file above' else path}"
    with pytest.raises(UserError, match=r"tracking\.uri in params\.yaml") as told:
        tracking.check(TrackingSettings(uri="nonsense://here" if kind == "unknown" else uri))
    assert "\n" not in str(told.value)
    assert kind != "garbage" or "no database" in path.read_text()


def test_a_deleted_experiment_is_one_line(client):
    identifier = client.create_experiment("gone")
    client.delete_experiment(identifier)
    with pytest.raises(UserError, match="mlflow experiments restore"):
        tracking.check(TrackingSettings(experiment="gone"))


def test_the_environment_names_the_store(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/other.db")
    assert store.store_uri(TRACKING).endswith("/other.db")


def test_experiments_of_dvc_share_the_store_of_the_project(monkeypatch, tmp_path):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    inside = tmp_path / ".dvc" / "tmp" / "exps" / "tmp123"
    inside.mkdir(parents=True)
    monkeypatch.setenv("DVC_ROOT", os.fspath(inside))
    assert store.store_uri(TRACKING) == f"sqlite:///{tmp_path}/mlflow.db"


def test_experiments_of_dvc_write_into_their_own_folder(monkeypatch, tmp_path):
    inside = tmp_path / ".dvc" / "tmp" / "exps" / "tmp123"
    inside.mkdir(parents=True)
    monkeypatch.chdir(inside)
    # DVC names the project that the experiment was made from.
    monkeypatch.setenv("DVC_ROOT", os.fspath(tmp_path))
    assert project_root() == inside


@pytest.mark.backend
@pytest.mark.once("tensorflow")
def test_the_callback_writes_the_curves_of_fit():
    import keras

    from pipelines.tracking.callback import MlflowCallback

    class Recorder:
        epochs: list = []

        def log_epoch(self, epoch, logs):
            self.epochs.append((epoch, sorted(logs)))

    inputs = keras.Input((2,))
    model = keras.Model(inputs, keras.layers.Dense(1)(inputs))
    model.compile("sgd", "mse", jit_compile=False)
    x = np.zeros((4, 2), "float32")
    recorder = Recorder()
    model.fit(x, x[:, :1], epochs=2, verbose=0, callbacks=[MlflowCallback(recorder)])
    assert recorder.epochs == [(1, ["loss"]), (2, ["loss"])]
