"""The comparison of objectives: one argument changed, and another seed."""

import pytest

from benchmarks import objectives
from pipelines.settings import settings_of


@pytest.mark.parametrize("data", ["digits", "mnist"])
def test_all_but_the_objective_and_the_seed_is_the_same(data):
    settings = settings_of(objectives.settings(data, 2))
    assert len(settings.systems) == 2 * 8
    rest = set()
    for key, system in settings.systems.items():
        block = system.model_dump()
        for name in ("loss", "penalty"):
            block["model"].pop(name, None)
        assert block["fit"].pop("seed") == int(key[-1])
        rest.add(repr(block))
    assert len(rest) == 1
