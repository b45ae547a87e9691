"""Every system gets the scores that its capabilities promise."""

import keras
import numpy as np
import pytest

from gm_keras import backend, registry
from gm_keras.metrics.features import Extractor
from gm_keras.metrics.registry import Evaluation, evaluate, primary
from tests.systems import batch, build

pytestmark = pytest.mark.backend

PROMISED = {
    "density": {"nll_nats", "nll_nats_stderr"},
    "bound": {"elbo_nats", "elbo_nats_stderr", "negative_elbo_nats"},
    "energy": {"nll_estimate_nats", "log_partition_forward_nats", "log_partition_reverse_nats"},
    "codes": {"perplexity"},
    "translator": {"l1", "l1_stderr", "precision"},
}


class FewExamples:
    """The test split of a data set: one random batch."""

    def __init__(self, model):
        self.batch = batch(model, seed=1)
        self.stream = model.data_field == "tokens"

    def scaled(self, split, field):
        assert split == "test"
        return self.batch[field]

    def windows(self, split, window):
        assert (split, window) == ("test", self.batch["tokens"].shape[1])
        return self.batch["tokens"]

    def arrays(self, split):
        assert split == "test"
        return self.batch


@pytest.mark.parametrize("name", registry.names())
def test_scores(name):
    backend.set_seed(2)
    model = build(name)
    data = FewExamples(model)
    if "translator" in model.capabilities:
        samples = keras.ops.convert_to_numpy(model.translate(data.batch["source"], seed=0))
    else:
        options = {"label": 1} if "conditional" in model.capabilities else {}
        samples = model.sample(8, seed=0, **options)
    scores = evaluate(Evaluation(model, data, Extractor("raw"), samples, seed=0))
    expected = set().union(*(PROMISED.get(each, set()) for each in model.capabilities))
    assert expected <= scores.keys()
    assert ("raw_frechet_distance" in scores) == (model.data_field != "tokens")
    assert all(np.isfinite(value) for value in scores.values())
    assert primary(scores)["value"] == scores[primary(scores)["name"]]
    if {"elbo_nats", "code_nll_nats"} <= scores.keys():
        parts = -scores["code_nll_nats"] - scores["reconstruction_nats"]
        assert scores["elbo_nats"] == pytest.approx(parts, rel=1e-4)
    if "nats_per_token" in scores:
        predicted = model.data_shape[0] - 1
        assert scores["nll_nats"] == pytest.approx(predicted * scores["nats_per_token"])
