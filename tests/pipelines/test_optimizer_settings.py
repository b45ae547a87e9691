"""Arguments of optimizers and schedules: what is refused before Keras sees it, and in which words."""

import pytest

from pipelines.settings.optimizer_settings import check_optimizer
from pipelines.shared.errors import UserError

COSINE = {"schedule": "cosine_decay", "initial_learning_rate": 0.1, "decay_steps": 10}
STEPS = {"schedule": "piecewise_constant_decay", "boundaries": [10, 20], "values": [0.1, 0.05, 0.0]}


@pytest.mark.parametrize(
    ("block", "message"),
    [
        ({"learning_rate": -0.001}, "learning_rate: expected a number above 0, not -0.001"),
        ({"learning_rate": 0}, "learning_rate: expected a number above 0, not 0"),
        ({"learning_rate": float("inf")}, "learning_rate: expected a finite number, not inf"),
        ({"learning_rate": float("nan")}, "learning_rate: expected a finite number, not nan"),
        ({"learning_rate": 1e300}, "learning_rate: expected a number of at most 1,000, not 1e+300"),
        ({"learning_rate": True}, "learning_rate: expected a number, not true"),
        ({"learning_rate": "0.1"}, 'learning_rate: expected a number, not "0.1"'),
        ({"learning_rate": None}, "learning_rate: expected a number, not null"),
        ({"learning_rate": [0.1]}, "learning_rate: expected a number, not [0.1]"),
        ({"beta_1": 2.0}, "beta_1: expected a number below 1, not 2.0"),
        ({"beta_2": -0.1}, "beta_2: expected a number of at least 0, not -0.1"),
        ({"clipnorm": -1.0}, "clipnorm: expected a number above 0, not -1.0"),
        ({"clipvalue": 0}, "clipvalue: expected a number above 0, not 0"),
        ({"clipnorm": 1.0, "clipvalue": 1.0}, "give either clipnorm or clipvalue"),
        ({"weight_decay": -1}, "weight_decay: expected a number of at least 0, not -1"),
        ({"use_ema": True, "ema_momentum": 1.5}, "ema_momentum: expected a number below 1"),
        ({"ema_momentum": 0.9}, "ema_momentum does nothing without use_ema: true"),
        ({"use_ema": "no"}, 'use_ema: expected true or false, not "no", which is a text'),
        ({"use_ema": 1}, "use_ema: expected true or false, not 1"),
        ({"amsgrad": "off"}, 'amsgrad: expected true or false, not "off"'),
        ({"epsilon": -1}, "epsilon: expected a number above 0, not -1"),
        (
            {"gradient_accumulation_steps": 0},
            "gradient_accumulation_steps: expected a number of at least 2",
        ),
        (
            {"gradient_accumulation_steps": 2.5},
            "gradient_accumulation_steps: expected an integer, not 2.5",
        ),
        (
            {"gradient_accumulation_steps": 2.0},
            "gradient_accumulation_steps: expected an integer, not 2.0",
        ),
        (
            {"ema_half_life": 100, "use_ema": False},
            "ema_half_life averages weights, and use_ema is false",
        ),
        ({"class": "sgd", "momentum": 2}, "momentum: expected a number below 1, not 2"),
        ({"class": "sgd", "beta_1": 0.9}, "beta_1 is not a known key"),
        ({"class": "adamw", "weight_decay": None}, "weight_decay: expected a number, not null"),
        ({"class": "adm"}, 'class is "adm": did you mean "adam"'),
        ({"class": 3}, "class: expected a name, not 3"),
        ({"learning_rat": 0.1}, 'learning_rat is not a known key: did you mean "learning_rate"'),
        ({"learning_rate": {}}, "learning_rate.schedule is missing"),
        ({"learning_rate": {"schedule": "cosine"}}, "learning_rate.schedule is"),
        ({"learning_rate": {"schedule": "cosine_decay"}}, "initial_learning_rate is missing"),
        ({"learning_rate": {**COSINE, "decay_steps": 0}}, "decay_steps: expected a number of at"),
        ({"learning_rate": {**COSINE, "decay_steps": -5}}, "decay_steps: expected a number of at"),
        ({"learning_rate": {**COSINE, "alpha": 1.5}}, "alpha: expected a number of at most 1"),
        ({"learning_rate": {**COSINE, "initial_learning_rate": -1}}, "initial_learning_rate: exp"),
        ({"learning_rate": {**COSINE, "initial_learning_rate": 0}}, "initial_learning_rate: exp"),
        ({"learning_rate": {**COSINE, "warmup_steps": 5}}, "warmup_target is missing"),
        ({"learning_rate": {**COSINE, "warmup_target": 0.2}}, "warmup_steps is missing"),
        ({"learning_rate": {**COSINE, "power": 2.0}}, "learning_rate.power is not a known key"),
        ({"learning_rate": {**STEPS, "values": [0.1, 0.2]}}, "values: expected 3 numbers"),
        ({"learning_rate": {**STEPS, "boundaries": [20, 10]}}, "boundaries: expected steps in"),
        ({"learning_rate": {**STEPS, "boundaries": [10, "x"]}}, "boundaries.1: expected an int"),
        ({"learning_rate": {**STEPS, "boundaries": []}}, "boundaries: expected at least 1"),
    ],
)
def test_mistakes_name_the_key_and_what_was_expected(block, message):
    with pytest.raises(UserError) as caught:
        check_optimizer("file: main", {"class": "adam", **block})
    assert str(caught.value).startswith("file: main")
    assert message in str(caught.value)


@pytest.mark.parametrize("block", [None, [], "adam", 3, {}, {"learning_rate": 0.1}])
def test_a_block_needs_a_class(block):
    with pytest.raises(UserError, match=r"^file: main.*class"):
        check_optimizer("file: main", block)


@pytest.mark.parametrize(
    "block",
    [
        {},
        {"learning_rate": 1, "clipnorm": None, "weight_decay": 0},
        {"class": "AdamW", "weight_decay": 0.1, "global_clipnorm": 1},
        {"class": "SGD", "momentum": 0.9, "nesterov": True},
        {"use_ema": False, "ema_momentum": 0.9},
        {"ema_half_life": 1000},
        {"learning_rate": COSINE},
        {"learning_rate": {**COSINE, "warmup_target": 0.2, "warmup_steps": 3, "alpha": 0}},
        {"learning_rate": STEPS},
    ],
)
def test_what_is_right_passes(block):
    check_optimizer("here", {"class": "adam", **block})
