"""Hundreds of damaged `params.yaml`: each loads or is told in one line that names the key."""

import copy
import math

import pytest
from ruamel.yaml import YAML

from pipelines.settings import settings_of
from pipelines.shared.errors import UserError

WHOLE = """
backend: jax
seed: 3
tracking: {uri: "sqlite:///mlflow.db", experiment: test}
checkpoint_every: {minutes: 2, steps: 10}
metrics: {extractor: classifier}
data:
  digits: {source: tfds, path: digits, validation: 0.1, seed: 1, image_size: 8}
systems:
  vae:
    class: vae
    data: digits
    uses: none
    model: {latent_dim: 4, units: [8]}
    optimizers:
      main:
        class: adam
        learning_rate: {schedule: exponential_decay, initial_learning_rate: 0.1, decay_steps: 10, decay_rate: 0.5}
        use_ema: false
    fit: {epochs: 1, batch_size: 8, steps_per_epoch: 3}
    sample: {noise: false}
    evaluate: {samples: 10}
"""
VALUES = [
    None, True, "no", "", -1, 0, 10**30, 1.5, math.nan, math.inf, [], [1, "a"], {}, {"a": {"b": 1}},
    "x" * 300, "a\nb",
]  # fmt: skip
TEXTS = ["no", "x" * 300, "a\nb"]
#: The values among these that are legal, by the place where they stand.
LEGAL = {
    "backend": [],
    "seed": [0],
    "tracking": [{}],
    "tracking.uri": TEXTS,
    "tracking.experiment": TEXTS,
    "checkpoint_every": [],
    "checkpoint_every.minutes": [None, 1.5],
    "checkpoint_every.steps": [None],
    "metrics": [{}],
    "metrics.extractor": [],
    "data": [],
    "data.digits": [{}],
    "data.digits.source": [],
    "data.digits.path": [None, *TEXTS],
    "data.digits.validation": [],
    "data.digits.seed": [0],
    "data.digits.image_size": [None],
    "systems": [{}],
    "systems.vae": [],
    "systems.vae.class": [],
    "systems.vae.data": [],
    "systems.vae.uses": [],
    "systems.vae.optimizers": [],
    "systems.vae.optimizers.main": [],
    "systems.vae.optimizers.main.class": [],
    "systems.vae.optimizers.main.learning_rate": [1.5],
    "systems.vae.optimizers.main.learning_rate.schedule": [],
    "systems.vae.optimizers.main.learning_rate.initial_learning_rate": [1.5],
    "systems.vae.optimizers.main.learning_rate.decay_steps": [],
    "systems.vae.optimizers.main.learning_rate.decay_rate": [1.5],
    "systems.vae.optimizers.main.use_ema": [True],
    "systems.vae.fit": [],
    "systems.vae.fit.epochs": [],
    "systems.vae.fit.batch_size": [],
    "systems.vae.fit.steps_per_epoch": [None],
    "systems.vae.sample": [{}],
    "systems.vae.sample.noise": [True],
    "systems.vae.evaluate": [{}],
    "systems.vae.evaluate.samples": [],
}


def places(value, path=()):
    """The ways to all that stands in a nested value."""
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def outcome(content):
    """What is said of a `params.yaml` with some content; None where it is right."""
    try:
        settings_of(content)
    except UserError as error:
        message = str(error)
        assert message.startswith("params.yaml"), message
        assert message.isprintable(), message
        assert len(message) < 600, message
        return message
    return None


@pytest.fixture
def whole():
    return YAML(typ="safe").load(WHOLE)


def at(content, place):
    for key in place[:-1]:
        content = content[key]
    return content


def same(value, other):
    return type(value) is type(other) and value == other


def test_every_value_replaced_by_every_wrong_one(whole):
    assert outcome(whole) is None
    for place in places(whole):
        where = ".".join(map(str, place))
        for value in VALUES:
            content = copy.deepcopy(whole)
            at(content, place)[place[-1]] = value
            message = outcome(content)
            if message is not None:
                key = next(each for each in reversed(place) if isinstance(each, str))
                assert key in message, (where, value, message)
            if where in LEGAL:
                legal = any(same(value, each) for each in LEGAL[where])
                assert (message is None) == legal, (where, value, message)


def test_every_key_misspelt_or_left_out(whole):
    named_by_the_user = (("data", "digits"), ("systems", "vae"))
    for place in places(whole):
        *_, key = place
        if isinstance(key, int):
            continue
        content = copy.deepcopy(whole)
        del at(content, place)[key]
        message = outcome(content)
        assert message is None or key in message, (place, message)
        at(content, place)[f"{key}x"] = at(whole, place)[key]
        message = outcome(content)
        if place == ("systems", "vae"):
            assert message is None
        elif place not in named_by_the_user:
            assert f"{key}x" in message, (place, message)
