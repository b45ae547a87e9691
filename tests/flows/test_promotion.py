"""The rule of promotion."""

import math

import pytest

from flows.promotion import Score, decide


def score(value, better="lower", metric="nll_nats", measured_on="a"):
    return Score(metric, value, better, measured_on)


@pytest.mark.parametrize(
    ("challenger", "champion", "promote", "words"),
    [
        (score(1.0), None, True, "no champion yet"),
        (score(1.0), score(2.0), True, "against"),
        (score(2.0), score(1.0), False, "worse"),
        (score(1.0), score(1.0), False, "equal"),
        (score(0.0), score(-0.0), False, "equal"),
        (score(2.0, "higher"), score(1.0, "higher"), True, "higher is better"),
        (score(1.0, "higher"), score(2.0, "higher"), False, "worse"),
        (score(1.0), score(2.0, measured_on="b"), False, "same test set"),
        (score(1.0), score(2.0, metric="distance"), False, "not measured alike"),
        (score(1.0), score(2.0, "higher"), False, "not measured alike"),
        (score(math.nan), score(2.0), False, "not a number"),
        (score(math.nan), None, False, "not a number"),
        (score(-math.inf), score(2.0), False, "not a number"),
        (score(1.0), score(math.nan), True, "nan"),
    ],
)
def test_decision(challenger, champion, promote, words):
    decision = decide(challenger, champion)
    assert decision.promote is promote
    assert words in decision.reason
    assert "\n" not in decision.reason


def test_a_score_survives_as_tags():
    before = score(0.1 + 0.2)
    assert Score.from_tags(before.tags()) == before
    assert Score.from_tags({}) is None
    assert Score.from_tags({**before.tags(), "score_value": "good"}) is None
    assert Score.from_tags({**before.tags(), "score_better": "bigger"}) is None


def test_a_direction_is_needed():
    with pytest.raises(ValueError, match="bigger"):
        score(1.0, "bigger")
