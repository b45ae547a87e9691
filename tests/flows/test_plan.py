"""Which stages run, in which order, and what a failure holds up."""

import pytest

from flows import plan
from pipelines.settings import Settings
from pipelines.shared.errors import UserError

SYSTEM = {
    "class": "any", "model": {}, "optimizers": {}, "sample": {},
    "fit": {"epochs": 1, "batch_size": 1}, "evaluate": {"samples": 1},
}  # fmt: skip
SETTINGS = Settings.model_validate(
    {
        "data": {"points": {}, "photos": {"source": "folder", "path": "x"}},
        "systems": {
            "a": {**SYSTEM, "data": "points"},
            "b": {**SYSTEM, "data": "photos"},
            "c": {**SYSTEM, "data": "photos"},
        },
    }
)
NAMES = [
    "check", "prepare@points", "prepare@photos", "extractor@photos", "report",
    *(f"{stage}@{key}" for stage in ("train", "evaluate", "page", "export") for key in "abc"),
]  # fmt: skip


def run_all(todo, failing=()):
    calls = []

    def run(target, force):
        calls.append((target, force))
        return f"{target} failed" if target in failing else None

    return plan.execute(todo, run, lambda _: None), calls


def test_order_and_what_a_data_set_lacks():
    failures, calls = run_all(plan.make(SETTINGS, ["b", "a", "b"], NAMES))
    assert failures == {}
    assert calls == [
        (target, False)
        for target in [
            "check", "prepare@photos", "extractor@photos", "prepare@points",
            "train@b", "evaluate@b", "page@b", "export@b",
            "train@a", "evaluate@a", "page@a", "export@a",
        ]
    ]  # fmt: skip


def test_all_systems_by_default():
    assert list(plan.make(SETTINGS, None, NAMES).systems) == ["a", "b", "c"]
    assert list(plan.make(SETTINGS, [], NAMES).systems) == ["a", "b", "c"]


def test_force_trains_what_was_asked_for():
    _, calls = run_all(plan.make(SETTINGS, ["b", "a"], NAMES, force=True))
    assert [target for target, force in calls if force] == ["train@b", "train@a"]


def test_fresh_data_reads_folders_anew_and_nothing_else():
    _, calls = run_all(plan.make(SETTINGS, None, NAMES, fresh_data=True))
    assert [target for target, force in calls if force] == ["prepare@photos"]


def test_a_failure_holds_up_only_what_needs_it():
    todo = plan.make(SETTINGS, None, NAMES)
    failures, calls = run_all(todo, {"extractor@photos", "evaluate@a"})
    assert set(failures) == {"a", "b", "c"}
    ran = [target for target, _ in calls]
    assert "export@a" not in ran
    assert "train@b" not in ran
    failures, _ = run_all(todo, {"train@b"})
    assert set(failures) == {"b"}
    failures, calls = run_all(todo, {"check"})
    assert set(failures) == {"a", "b", "c"}
    assert len(calls) == 1


def test_a_system_comes_after_the_one_that_it_uses():
    systems = {**SETTINGS.systems, "a": SETTINGS.systems["a"].model_copy(update={"uses": "c"})}
    settings = SETTINGS.model_copy(update={"systems": systems})
    todo = plan.make(settings, None, NAMES)
    assert list(todo.systems) == ["c", "a", "b"]
    failures, calls = run_all(todo, {"train@c"})
    assert set(failures) == {"a", "c"}
    assert "train@a" not in [target for target, _ in calls]
    alone = plan.make(settings, ["a"], NAMES)
    assert alone.systems == {"a": ["train@c", "train@a", "evaluate@a", "page@a", "export@a"]}


def test_unknown_system():
    with pytest.raises(UserError, match='no system "d"'):
        plan.make(SETTINGS, ["a", "d"], NAMES)


def test_stages_missing_from_dvc_yaml():
    with pytest.raises(UserError, match="no stage export@a"):
        plan.make(SETTINGS, ["a"], [name for name in NAMES if name != "export@a"])


def test_the_index_waits_for_the_pages_of_all_systems(tmp_path):
    calls, told = [], []

    def report():
        run = lambda *call: calls.append(call)  # noqa: E731
        return plan.run_report(SETTINGS, NAMES, tmp_path, run, told.append)

    (tmp_path / "reports").mkdir()
    for key in "abc":
        assert report() is None
        assert not calls
        (tmp_path / "reports" / f"{key}.html").touch()
    assert ["a, b, c" in told[0], "b, c" in told[1], told[2].endswith(": c")] == [True] * 3
    report()
    assert calls == [("report", False)]


def test_what_fails_on_the_index_is_told(tmp_path):
    (tmp_path / "reports").mkdir()
    for key in "abc":
        (tmp_path / "reports" / f"{key}.html").touch()
    failing = lambda target, _: f"{target}: damaged"  # noqa: E731
    assert plan.run_report(SETTINGS, NAMES, tmp_path, failing, print) == "report: damaged"
