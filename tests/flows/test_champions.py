"""Promotion in a real registry: MLflow on SQLite, with models that only pretend to have learnt."""

import importlib.util
import json
from pathlib import Path

import pytest

from flows import champions, retraining
from pipelines.settings import load_settings
from pipelines.shared.errors import UserError
from tests.flows.conftest import FAKE, set_epochs


@pytest.fixture(scope="session")
def fake():
    """The pretending stages as a module of this process."""
    spec = importlib.util.spec_from_file_location("fake_stages", FAKE / "stages.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def database(template, tmp_path_factory):
    """An empty store; MLflow takes seconds to make one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("store"))
        settings = load_settings(template / "params.yaml")
        settings.tracking.experiment = "elsewhere"  # an experiment keeps its place for artifacts
        with champions.registry_of(settings):
            return Path("mlflow.db").read_bytes()


@pytest.fixture
def checkout(project, database, monkeypatch):
    """The project with an empty store and its data prepared."""
    # MLflow keeps the last store in the environment, and there it wins.
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (project / "mlflow.db").write_bytes(database)
    (project / "data" / "mine").mkdir(parents=True)
    (project / "data" / "mine" / "dataset.json").write_text("[1, 2, 3]")
    return project


@pytest.fixture
def learn(checkout, fake):
    """Trains, evaluates and exports a system, then asks for its promotion."""

    def call(epochs, numbers=None):
        set_epochs(checkout, "first", epochs)
        if numbers:
            (checkout / "data" / "mine" / "dataset.json").write_text(json.dumps(numbers))
        fake.train("first")
        fake.evaluate("first")
        fake.export("first")
        return judge(checkout)

    return call


def judge(root):
    settings = load_settings(root / "params.yaml")
    with champions.registry_of(settings) as registry:
        decision = champions.promote(registry, settings, "first", root, lambda _: None)
        champion = champions.version_of(registry, "first", "champion")
        return decision, champion and int(champion.version)


def test_only_what_is_better_becomes_champion(checkout, learn):
    decision, champion = learn(10)
    assert decision.promote
    assert "no champion yet" in decision.reason
    assert champion == 1

    decision, champion = judge(checkout)
    assert "nothing new" in decision.reason
    assert (decision.promote, champion) == (False, 1)

    decision, champion = learn(5)
    assert "worse" in decision.reason
    assert (decision.promote, champion) == (False, 1)

    decision, champion = learn(10)
    assert "equal" in decision.reason
    assert (decision.promote, champion) == (False, 1)

    decision, champion = learn(20)
    assert "against" in decision.reason
    assert (decision.promote, champion) == (True, 4)
    assert not (checkout / "evaluated_again").exists()


def test_on_new_test_data_the_champion_is_measured_anew(checkout, learn):
    learn(10, numbers=[0])  # scores 90
    # On easier data a worse model has a better score, but not one better than the champion's there.
    decision, champion = learn(5, numbers=[-50])
    assert (checkout / "evaluated_again").exists()
    assert (decision.promote, champion) == (False, 1)
    assert "nll_nats 45 against the champion's 40" in decision.reason

    # The new score of the champion is remembered: it is measured once for each test set.
    (checkout / "evaluated_again").unlink()
    decision, champion = learn(11)
    assert not (checkout / "evaluated_again").exists()
    assert (decision.promote, champion) == (True, 3)


def test_a_champion_that_cannot_be_measured_stays(checkout, learn):
    learn(10, numbers=[0])
    for model in (checkout / "mlartifacts").rglob("model.keras"):
        model.unlink()
    decision, champion = learn(20, numbers=[1])
    assert (decision.promote, champion) == (False, 1)
    assert "model.keras" in decision.reason
    assert "\n" not in decision.reason


def test_an_export_from_dvcs_cache_is_registered_anew(checkout, learn):
    settings = load_settings(checkout / "params.yaml")
    targets = []

    def run(target, force):
        targets.append((target, force))
        return "it failed"

    assert retraining.register_again(settings, "first", checkout, run) == "it failed"
    assert targets == [("export@first", True)]
    learn(10)
    assert retraining.register_again(settings, "first", checkout, run) is None
    (checkout / "models/first/model.weights.h5").write_text("9")
    assert retraining.register_again(settings, "first", checkout, run) == "it failed"


@pytest.mark.parametrize(
    ("outcome", "words"),
    [("ran", ""), ("unchanged", "data, settings and code"), ("restored", "DVC's cache")],
)
def test_why_a_system_was_not_trained(outcome, words):
    told = retraining.untrained("first", {"train@first": outcome, "evaluate@first": "ran"})
    assert words in told
    assert bool(told) is ("--force" in told) is bool(words)


def test_what_is_missing_is_told(checkout, learn):
    with pytest.raises(UserError, match="no challenger"):
        judge(checkout)
    learn(10)
    with champions.registry_of(load_settings()) as registry:
        registry.delete_registered_model_alias("first", "champion")
    for content in ("{}", "[]", "what", '{"primary": {"name": "a"}, "data_checksum": "b"}'):
        (checkout / "reports/first/scores.json").write_text(content)
        with pytest.raises(UserError, match=r"scores\.json"):
            judge(checkout)


def test_a_registry_that_does_not_answer(checkout, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9"):
        judge(checkout)
