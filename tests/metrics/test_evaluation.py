"""Every system gets the scores that its capabilities promise, and rows to read them by."""

import math
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import gm_keras.metrics.scores  # noqa: F401 (registers them)
from gm_keras import backend
from gm_keras.metrics.calibration import calibrate
from gm_keras.metrics.evaluation import Evaluation
from gm_keras.metrics.examples import Examples, UnreadableError
from gm_keras.metrics.features import Extractor
from gm_keras.metrics.registry import Score, evaluate, primary
from gm_keras.metrics.scores.likelihoods import facts
from tests.systems import arrays, batch, build, names

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

PROMISED = {
    "density": {"nll_nats", "nll_nats_stderr"},
    "bound": {"elbo_nats", "elbo_nats_stderr", "negative_elbo_nats", "negative_elbo_nats_stderr"},
    "energy": {
        "nll_estimate_nats",
        "nll_estimate_reverse_nats",
        "log_partition_forward_nats",
        "log_partition_reverse_nats",
    },
    "codes": {"perplexity", "perplexity_stderr"},
    "classifier": {"accuracy", "accuracy_stderr"},
    "translator": {"l1", "l1_stderr", "psnr", "ssim", "ms_ssim"},
}
OF_SAMPLES = {
    "raw_kernel_distance",
    "raw_kernel_distance_stderr",
    "precision",
    "recall",
    "density",
    "coverage",
    "authenticity",
}


class FewExamples:
    """Prepared data of one random batch a split."""

    def __init__(self, model):
        self.model, self.stream = model, model.data_field == "tokens"
        self.batches = {"test": batch(model, seed=1), "train": batch(model, seed=2)}
        self.info = {}

    def size(self, split):
        return len(self.batches[split][self.model.data_field])

    def count_windows(self, split, window):
        return self.size(split)

    def scaled(self, split, field, indices=slice(None)):
        return self.batches[split][field][indices]

    def windows(self, split, window, starts):
        return self.batches[split]["tokens"][starts // (window - 1)]

    def levels_of(self, field):
        return getattr(self.model, "levels", None) or 256

    def arrays(self, split):
        arrays = dict(self.batches[split])
        if self.model.data_field in ("image", "target"):
            top = self.levels_of(self.model.data_field) - 1
            values = np.round((arrays[self.model.data_field] + 1.0) * top / 2.0)
            arrays[self.model.data_field] = values.astype("uint8")
        return arrays


def draw(model, data, seed=0):
    if "translator" in model.capabilities:
        source = data.batches["test"]["source"]
        return keras.ops.convert_to_numpy(model.translate(source, seed=seed))
    options = {"label": 1} if "conditional" in model.capabilities else {}
    return model.sample(8, seed=seed, **options)


@pytest.mark.parametrize("name", names())
def test_scores(name, tmp_path):
    backend.set_seed(2)
    model = build(name)
    if "energy" in model.capabilities:
        model.log_partition = partial(model.log_partition, num_steps=200)
    data = FewExamples(model)
    evaluation = Evaluation(
        model, data, Extractor("raw"), draw(model, data), seed=0, folder=tmp_path
    )
    scores = evaluate(evaluation)
    expected = set().union(*(PROMISED.get(each, set()) for each in model.capabilities))
    if model.data_field != "tokens":
        expected |= OF_SAMPLES
        # 8 examples of 64 values: their covariance says nothing.
        assert (
            "needs" in evaluation.left_out["raw_frechet_distance"]
            or "must have" in (evaluation.left_out["raw_frechet_distance"])
        )
    if "autoencoder" in model.capabilities and model.data_field == "image":
        found = scores.keys() | evaluation.left_out.keys()
        assert {"reconstruction_psnr", "reconstruction_ssim", "reconstruction_ms_ssim"} <= found
    assert expected <= scores.keys()
    assert all(np.isfinite(value) for value in scores.values())
    if {"elbo_nats", "code_nll_nats"} <= scores.keys():
        parts = -scores["code_nll_nats"] - scores["reconstruction_nats"]
        assert scores["elbo_nats"] == pytest.approx(parts, rel=1e-4)
    if "nats_per_token" in scores:
        predicted = model.data_shape[0] - 1
        assert scores["nll_nats"] == pytest.approx(predicted * scores["nats_per_token"])
    if "nll_nats" in scores:
        assert primary(scores)["name"] == "nll_nats"
    has_likelihood = bool(model.capabilities & {"density", "bound", "energy"})
    assert (facts(model) is not None) == has_likelihood

    before = arrays(model.weights)
    again = Evaluation(model, data, Extractor("raw"), draw(model, data), seed=0)
    assert evaluate(again) == scores

    def translate(rows):
        return keras.ops.convert_to_numpy(
            model.translate(data.batches["train"]["source"][rows], seed=0)
        )

    rows = calibrate(evaluation, translate)
    after = arrays(model.weights)
    assert before.keys() == after.keys()
    assert all(np.array_equal(before[key], after[key]) for key in before)
    assert scores.keys() - rows["floor"].keys() <= {"authenticity_stderr"}
    assert scores.keys() - rows["ceiling"].keys() <= {"reconstruction_psnr_stderr"}
    assert all(math.isfinite(value) for row in ("floor", "ceiling") for value in rows[row].values())
    assert rows["floor_of"]
    assert rows["ceiling_of"]


class Labelled(FewExamples):
    """Examples of three classes, of which the second is the most frequent in the training split."""

    name = "some"

    def __init__(self, model):
        super().__init__(model)
        self.batches["test"]["label"] = np.array([0, 1, 2, 0, 1, 2, 0, 0])
        self.batches["train"]["label"] = np.array([1, 1, 1, 1, 0, 0, 2, 2])


def test_accuracy_stands_between_that_of_every_label_and_the_most_frequent_class():
    backend.set_seed(2)
    model = build("improved_gan", classes=3, minibatch_discrimination=False)
    data = Labelled(model)
    read = np.array([0, 1, 2, 0, 1, 2, 1, 1])  # by the data set's own classifier: 6 of 8 right
    kept = np.zeros((8, 4), "float32"), np.eye(3)[read]
    extractor = Extractor("classifier", 4, kept={"test": kept, "train": kept})
    evaluation = Evaluation(model, data, extractor, None, seed=0)
    found = keras.ops.convert_to_numpy(model.classify(data.batches["test"]["image"]))
    right = np.mean(found == data.batches["test"]["label"])
    scores = evaluate(evaluation, ("classes",))
    assert scores == {
        "accuracy": pytest.approx(right),
        "accuracy_stderr": pytest.approx(np.sqrt(right * (1.0 - right) / 7)),
    }
    assert evaluate(evaluation, ("model", "classes")) == scores
    ends = calibrate(replace(evaluation, samples=data.batches["test"]["image"]))
    assert ends["floor"]["accuracy"] == 0.75
    assert ends["floor"]["accuracy_stderr"] == pytest.approx(np.sqrt(0.75 * 0.25 / 7))
    assert ends["ceiling"]["accuracy"] == 0.25
    assert "classes read by the classifier of some, given every label" in ends["floor_of"]
    assert "the class that most training examples have" in ends["ceiling_of"]
    # Without a classifier of the data set nothing says what is best.
    plain = replace(evaluation, samples=data.batches["test"]["image"], extractor=Extractor("raw"))
    ends = calibrate(plain)
    assert "accuracy" not in ends["floor"]
    assert ends["ceiling"]["accuracy"] == 0.25
    del data.batches["test"]["label"]
    again = replace(evaluation, left_out={})
    assert evaluate(again, ("classes",)) == {}
    assert again.left_out == {"accuracy": 'data set "some" has no labels'}


class Numbered:
    """Prepared data whose examples are their own numbers."""

    stream, sizes, info = False, {"test": 50, "train": 80}, {}

    def size(self, split):
        return self.sizes[split]

    def scaled(self, split, field, rows):
        return np.asarray(rows, "float32")[:, None] + (1000.0 if split == "train" else 0.0)


VECTORS = SimpleNamespace(data_field="features", data_shape=(1,), conditions={})


@pytest.mark.parametrize("kept", [True, False])
def test_some_of_the_test_set_are_the_same_ones_whatever_the_seed(kept, tmp_path):
    data, everything = Numbered(), np.arange(50, dtype="float32")[:, None]
    extractor = Extractor("raw", kept={"test": (everything, None)} if kept else None)
    first, second = (
        Evaluation(VECTORS, data, extractor, None, seed, limit=20, folder=folder)
        for seed, folder in ((0, None), (1, tmp_path))
    )
    assert len(first.examples) == len(set(first.examples.rows)) == 20
    for each in (first, second):
        np.testing.assert_array_equal(each.examples.rows, first.test.rows)
        # What samples are compared with are those examples, in their order.
        np.testing.assert_array_equal(each.real[0][:, 0], first.test.rows)
        assert each.real[1] is None
    whole = Evaluation(VECTORS, data, extractor, None, 0, limit=50)
    np.testing.assert_array_equal(whole.real[0], everything)
    np.testing.assert_array_equal(whole.examples.rows, np.arange(50))


def test_rows_to_read_scores_by_take_few_examples(monkeypatch):
    """Where each is measured by itself; what is compared as a set is as large as the samples."""
    monkeypatch.setattr("gm_keras.metrics.calibration.FEW", 4)
    model = build("realnvp")
    data = FewExamples(model)
    evaluation = Evaluation(model, data, Extractor("raw"), draw(model, data), seed=0, limit=6)
    counted = []

    def count(evaluation, subjects, **_):
        counted.append((subjects, len(evaluation.samples), len(evaluation.examples)))
        return {}

    monkeypatch.setattr("gm_keras.metrics.calibration.evaluate", count)
    rows = calibrate(evaluation)
    assert counted == [
        (("samples",), 8, 6),  # training examples
        (("novelty",), 4, 6),  # test examples against the training set
        (("samples", "pairs"), 8, 6),  # noise
        (("novelty",), 4, 6),
        (("model",), 8, 4),  # training examples
        (("model",), 8, 4),  # before the training
    ]
    assert "8 training examples against 6 test examples" in rows["floor_of"]
    assert "of 4 training examples" in rows["floor_of"]
    assert "of 4 test examples by the model before training" in rows["ceiling_of"]


@pytest.fixture
def scored(monkeypatch):
    """Scores of a model that is none, by functions that stand in place of all scores."""
    told = []

    def compute(*functions):
        rows = [Score(None, None, "samples", each) for each in functions]
        monkeypatch.setattr("gm_keras.metrics.registry.SCORES", rows)
        model = SimpleNamespace(capabilities={"sampler"}, offers={"sampler"})
        evaluation = Evaluation(model, None, None, None, 0, examples=[0], tell=told.append)
        return evaluate(evaluation), evaluation.left_out, told

    return compute


def of_all(_):
    return {"precision": 0.5}


@pytest.mark.parametrize(
    "error", [ValueError, ZeroDivisionError, IndexError, np.linalg.LinAlgError]
)
def test_a_score_that_cannot_be_computed_does_not_take_the_others_with_it(scored, error):
    def of_class(_):
        raise error("there is no\nexample of the class 3")

    scores, left_out, told = scored(of_class, of_all)
    assert scores == {"precision": 0.5}
    assert left_out == {"of class": "there is no example of the class 3"}
    assert told == [f"of class: left out: {error.__name__}: there is no example of the class 3"]


def test_one_number_of_a_score_can_be_left_out(scored):
    def of_class(evaluation):
        return evaluation.attempt(("recall",), lambda: (1 / 0,)) | {"fid": 1.0}

    assert scored(of_class, of_all)[:2] == (
        {"fid": 1.0, "precision": 0.5},
        {"recall": "division by zero"},
    )


@pytest.mark.parametrize(
    "error", [OSError(28, "full"), UnreadableError("damaged"), TypeError(), AttributeError("x")]
)
def test_a_full_disk_damaged_data_and_mistakes_are_no_reason_to_leave_a_score_out(scored, error):
    def of_class(_):
        raise error

    with pytest.raises(type(error)):
        scored(of_class, of_all)


def test_damaged_data_are_told_as_such():
    class Damaged:
        stream = False

        def size(self, split):
            return 3

        def scaled(self, split, field, rows):
            raise ValueError("an image has a value above 16")

    examples = Examples(Damaged(), SimpleNamespace(data_field="image"))
    with pytest.raises(UnreadableError, match="above 16"):
        next(examples.batches())


def test_trainings_can_be_compared_where_there_are_too_few_examples_for_a_covariance():
    of_few = {"kid": 0.1, "kid_stderr": 0.01, "is": 2.0, "precision": 0.5}
    assert primary(of_few) == {"name": "kid", "value": 0.1, "better": "lower"}
    assert primary({**of_few, "fid": 30.0})["name"] == "fid"
    with pytest.raises(ValueError, match=r"evaluate\.samples"):
        primary({"precision": 0.5})
