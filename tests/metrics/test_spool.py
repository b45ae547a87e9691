"""Arrays that are made piece by piece."""

import numpy as np

from gm_keras.metrics.spool import spool


def test_parts_end_to_end_on_disk_and_in_memory(tmp_path):
    rows = np.arange(70, dtype="float32").reshape(10, 7)
    for folder in (None, tmp_path):
        found = spool((rows[start : start + 4] for start in range(0, 10, 4)), 10, folder)
        assert found.dtype == rows.dtype
        assert np.array_equal(found, rows)
    assert isinstance(found, np.memmap)
    assert not found.flags.writeable


def test_a_second_array_of_a_name_leaves_the_first_alone(tmp_path):
    first = spool([np.zeros((3, 2))], 3, tmp_path, "noise")
    second = spool([np.ones((5, 2))], 5, tmp_path, "noise")
    assert first.sum() == 0.0
    assert second.sum() == 10.0
