"""Features that networks do not learn from as they are."""

from types import SimpleNamespace

import numpy as np
import pytest

from pipelines.running.scale import unscaled


def data(rows, primary="features"):
    return SimpleNamespace(name="table", primary=primary, arrays=lambda split: {primary: rows})


NORMAL = np.random.default_rng(0).normal(size=(1000, 3)).astype("float32")


@pytest.mark.parametrize(
    ("scale", "offset", "words"),
    [
        ([1, 1, 5e4], 0, ["standard deviations up to 5.1e+04", "means up to"]),
        (1, [0, 1990, 0], ["means up to 2e+03", "standard deviations up to 1"]),
    ],
)
def test_what_is_far_from_one_is_told(scale, offset, words):
    message = unscaled(data(NORMAL * np.float32(scale) + np.float32(offset)))
    assert "table" in message
    for part in words:
        assert part in message


def test_the_usual_and_images_pass():
    assert unscaled(data(20.0 * NORMAL)) is None
    assert unscaled(data(np.full((4, 8, 8, 1), 255, "uint8"), primary="image")) is None
