"""What a training reads of a data set: no more than the model takes."""

from types import SimpleNamespace

import numpy as np
import pytest

from gm_keras.data import PreparedData
from pipelines.prepare import prepare
from pipelines.settings import DataSettings
from pipelines.train import _Feeds


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [({}, {"image"}), (dict.fromkeys(("label", "caption")), {"image", "label", "caption"})],
)
def test_a_batch_has_what_the_model_takes(tmp_path, conditions: dict, expected: set):
    images = np.random.default_rng(0).integers(0, 256, (20, 4, 4), "uint8")
    texts = np.array([str(number) for number in range(20)])
    masks, labels = images // 64, np.arange(20) % 2
    np.savez(tmp_path / "own.npz", image=images, caption=texts, mask=masks, label=labels)
    prepare("own", DataSettings(source="folder", path="own.npz"), tmp_path / "own", tmp_path)
    fit = SimpleNamespace(batch_size=4, steps_per_epoch=None, labels=None)
    system = SimpleNamespace(fit=fit)
    settings = SimpleNamespace(system=lambda _: system, training_seed=lambda _: 0)
    model = SimpleNamespace(
        fields={"image": (4, 4, 1)},
        fresh_batches=False,
        phase_list=(SimpleNamespace(repeats=1),),
        conditions=conditions,
    )
    feeds = _Feeds("vae", settings, PreparedData(tmp_path / "own"), model)
    assert set(feeds.training(0, 0)[0]) == expected
