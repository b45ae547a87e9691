"""A classifier that is given few labels, by the settings: what it is given, what is refused, what it comes to."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import gm_keras.metrics.scores  # noqa: F401 (registers them)
from gm_keras import backend
from gm_keras.data.few_labels import labelled_rows
from gm_keras.metrics import registry
from gm_keras.metrics.evaluation import Evaluation
from gm_keras.metrics.features import Extractor
from pipelines import train
from pipelines.running.build import build_model, compile_model, prepared
from pipelines.settings import load_settings
from pipelines.shared.errors import UserError
from tests.projects import parts
from tests.projects.datasets import write_digits

pytestmark = [pytest.mark.backend, pytest.mark.once("jax")]

LABELS = 60
MODEL = {
    "latent_dim": 3,
    "filters": 8,
    "stages": 1,
    "feature_matching": True,
    "minibatch_discrimination": False,
    "historical_averaging": False,
    "virtual_batch_normalization": False,
    "classes": 10,
}


def block(fit: dict | None = None, **changes) -> dict:
    fit = {"epochs": 10, "batch_size": 50, "grids": 1, "labels": LABELS, **(fit or {})}
    game = parts.block("improved_gan", parts.GAME, fit=fit, model={**MODEL, **changes})
    adam = {"class": "adam", "learning_rate": 0.01, "beta_1": 0.5}
    return {**game, "optimizers": dict.fromkeys(parts.GAME, adam)}


SYSTEMS = {
    "few": block(),
    "plain": block(classes=None),
    "too_few": block({"labels": 9}),
    "too_many": block({"labels": 301}),
    "other_classes": block(classes=9),
    "unlabelled": {**block(), "data": "bare"},
    "told": parts.block(
        "vae",
        model={"network": "dense", "units": [4], "num_classes": 10},
        fit={"epochs": 1, "batch_size": 50, "labels": LABELS},
    ),
}


@pytest.fixture(scope="module")
def project(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("project")
    source = {"source": "tfds"}
    parts.write_params(root, SYSTEMS, data={"digits": source, "bare": source}, seed=2)
    write_digits(root / "data" / "digits")
    write_digits(root / "data" / "bare", labels=False)
    return root


class Training:
    """What the stage does for a system, but for MLflow and the files of the report."""

    def __init__(self, project: Path, key: str):
        self.key, self.settings = key, load_settings(project / "params.yaml")
        system = self.settings.system(key)
        self.data = prepared(system.data, self.settings, project)
        backend.set_seed(self.settings.training_seed(key))
        self.model = build_model(key, system, self.data)
        compile_model(key, system, self.model)
        self.feeds = train._Feeds(key, self.settings, self.data, self.model)
        self.feeds.check()

    def run(self, folder: Path) -> None:
        names = ("log_epoch", "log_image", "settle")
        tracked = SimpleNamespace(**dict.fromkeys(names, lambda *_: None))
        ends = [("main", self.settings.system(self.key).fit.epochs)]
        train._fit(self.key, self.settings, self.feeds, ends, tracked, folder)


def test_a_training_is_given_so_many_labels_and_no_others(project):
    training = Training(project, "few")
    known = labelled_rows(training.data, LABELS, seed=2)
    batches = [training.feeds.training(0, 0)[index] for index in range(6)]
    rows = np.random.default_rng([2, 0]).permutation(300)
    labels = np.concatenate([batch["label"] for batch in batches])
    right = training.data.arrays("train")["label"][rows]
    np.testing.assert_array_equal(labels, np.where(np.isin(rows, known), right, -1))
    assert np.bincount(labels[labels >= 0]).tolist() == [6] * 10
    # A training that goes on from the middle of an epoch, in another process, is given the same.
    resumed = train._Feeds("few", training.settings, training.data, training.model)
    np.testing.assert_array_equal(resumed.training(0, 4)[0]["label"], batches[4]["label"])


@pytest.mark.parametrize(
    ("key", "told"),
    [
        ("told", "fit.labels: vae does not learn from examples without a label: leave it out"),
        ("plain", "fit.labels: improved_gan learns no labels as its model is: set model.classes"),
        ("too_few", "fit.labels: 9 labels are fewer than the 10 classes of data set"),
        ("too_many", "fit.labels: 301 labels are more than the 300 examples of split"),
        ("other_classes", 'model.classes is 9, but "digits" has 10 classes'),
        ("unlabelled", 'model.classes is 10, but "bare" has no classes'),
    ],
)
def test_what_cannot_be_is_one_line_before_anything_is_trained(project, key, told):
    with pytest.raises(UserError) as caught:
        Training(project, key)
    assert str(caught.value).startswith(f"params.yaml: systems.{key}.{told}")
    assert "\n" not in str(caught.value)


def test_it_learns_classes_of_few_labels(project, tmp_path):
    training = Training(project, "few")
    training.run(tmp_path)
    model, data = training.model, training.data
    evaluation = Evaluation(model, data, Extractor("raw"), None, seed=0)
    scores = registry.evaluate(evaluation, ("classes",))
    right = (np.asarray(model.classify(data.scaled("test"))) == data.arrays("test")["label"]).mean()
    assert scores["accuracy"] == pytest.approx(right)
    assert scores["accuracy_stderr"] == pytest.approx(np.sqrt(right * (1 - right) / 59))
    assert right > 0.6
