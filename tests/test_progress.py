"""How far something has got, without a terminal: when a line is written, and what it says."""

import sys
import time

import pytest

from gm_keras.progress import progress


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is told to go on."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def go_on(seconds):
        now[0] += seconds

    return go_on


def test_what_is_done_soon_says_nothing(clock, capsys):
    with progress(10, "features") as bar:
        for _ in range(10):
            clock(0.4)
            bar.update()
    assert capsys.readouterr() == ("", "")


def test_a_line_after_five_seconds_and_then_one_a_minute_with_the_time_left(clock, capsys):
    with progress(200, "features of test examples") as bar:
        for _ in range(100):
            clock(1.5)
            bar.update(2)
    _, lines = capsys.readouterr()
    assert lines.splitlines() == [
        "features of test examples: 4 %, 02:24 left",
        "features of test examples: 44 %, 01:24 left",
        "features of test examples: 84 %, 00:24 left",
    ]


def test_what_the_first_part_took_to_compile_is_not_counted_on(clock, capsys):
    with progress(11, "training") as bar:
        clock(60.0)
        bar.update()
        clock(1.0)
        bar.update()
    assert capsys.readouterr().err == "training: 18 %, 00:09 left\n"


def test_one_long_step_is_no_reason_for_a_line_at_the_end(clock, capsys):
    with progress(1, "sampling") as bar:
        clock(600.0)
        bar.update()
    assert capsys.readouterr().err == ""


def test_a_terminal_has_a_bar(monkeypatch, capsys):
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("gm_keras.progress.DELAY", 0.0)
    with progress(3, "sampling") as bar:
        bar.update()
    assert "\r" in capsys.readouterr().err
