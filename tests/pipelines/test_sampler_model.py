"""What a served model answers, for systems that make no plain samples."""

import logging
from types import SimpleNamespace

import numpy as np
import pytest
from mlflow.exceptions import MlflowException

from pipelines.exports.sampler_model import RefuseUnknown, Sampler
from tests.systems import batch, build

pytestmark = [pytest.mark.backend, pytest.mark.once("tensorflow")]

CONTEXT = SimpleNamespace(model_config={"options": {}})


def served(name):
    sampler = Sampler()
    sampler.model = build(name)
    return sampler


def test_text_is_answered_as_strings():
    answer = served("gpt2").predict(CONTEXT, np.zeros((1, 1)), {"n": 2, "seed": 1})
    assert answer.shape == (2,)
    assert all(isinstance(each, str) and len(each) == 7 for each in answer)


def test_what_is_no_picture_is_not_answered_as_one():
    with pytest.raises(MlflowException, match=r"^format 'png': this model makes no pictures"):
        served("gpt2").predict(CONTEXT, np.zeros((1, 1)), {"n": 2, "format": "png"})


def test_a_model_refuses_its_own_unknown_parameters_and_no_others():
    refuse = RefuseUnknown(["n", "label"])

    def told(supported):
        text = f"Unrecognized params ['lable'] are ignored for inference. Supported params are: {supported}. To"
        return refuse.filter(logging.makeLogRecord({"msg": text}))

    with pytest.raises(MlflowException, match=r"^unknown parameter lable: expected label, n$"):
        told({"n", "label"})
    assert told({"temperature", "label"})
    assert refuse.filter(logging.makeLogRecord({"msg": "something else"}))


def test_a_translator_takes_sources():
    sampler = served("pix2pix")
    sources = batch(sampler.model)["source"].astype("float64")
    first = sampler.predict(CONTEXT, sources, {"seed": 1})
    assert first.shape == sources.shape
    np.testing.assert_array_equal(first, sampler.predict(CONTEXT, sources, {"seed": 1}))
    assert not np.array_equal(first, sampler.predict(CONTEXT, sources, {"seed": 2}))
