"""Scheduled runs that fell due while another was at work."""

from datetime import UTC, datetime, timedelta

from flows import history

NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_a_run_due_before_the_last_one_began_is_covered(tmp_path):
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    assert not history.covered(tmp_path, ["a"], NOON)
    history.record(tmp_path, ["a", "b"], NOON)
    assert history.covered(tmp_path, ["a", "b"], NOON - HOUR)
    assert not history.covered(tmp_path, ["a", "b"], NOON + HOUR)
    assert not history.covered(tmp_path, ["a", "c"], NOON - HOUR)
    history.record(tmp_path, ["b"], NOON + 2 * HOUR)
    assert history.covered(tmp_path, ["b"], NOON + HOUR)
    assert not history.covered(tmp_path, ["a", "b"], NOON + HOUR)


def test_a_damaged_record_covers_nothing(tmp_path):
    (tmp_path / ".dvc" / "tmp").mkdir(parents=True)
    for text in ("", "[]", '{"a": 1}', '{"a": "noon"}'):
        (tmp_path / history.PLACE).write_text(text)
        assert not history.covered(tmp_path, ["a"], NOON)
