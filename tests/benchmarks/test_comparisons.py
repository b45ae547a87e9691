"""The comparisons: what makes a variant changes, and the seed, and nothing else."""

import pytest

from benchmarks import comparisons
from pipelines.settings import settings_of


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("objectives", "digits"),
        ("objectives", "mnist"),
        ("objectives_of_points", "gaussians"),
        ("techniques", "digits"),
        ("attention", "digits"),
    ],
)
def test_all_but_the_variant_and_the_seed_is_the_same(name, data):
    variants = comparisons.COMPARISONS[name].variants
    settings = settings_of(comparisons.settings(name, data, 2))
    assert len(settings.systems) == 2 * len(variants)
    changed = {argument for arguments in variants.values() for argument in arguments}
    rest, found = set(), set()
    for key, system in settings.systems.items():
        block = system.model_dump()
        found.add(str({name: block["model"].pop(name, None) for name in sorted(changed)}))
        assert block["fit"].pop("seed") == int(key[-1])
        rest.add(repr(block))
    assert len(rest) == 1
    assert len(found) == len(variants)
