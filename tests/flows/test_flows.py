"""The flows as a user runs them, on a real Prefect server with a database of its own."""

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import prefect
import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.settings import PREFECT_API_URL, temporary_settings

from flows import champions, entry, retrain, serving, stages, tasks
from flows.train import train_systems
from pipelines.settings import load_settings
from tests.flows.conftest import free_port, set_epochs

pytestmark = [pytest.mark.slow, pytest.mark.pipeline]

# As the pages say it, of a system of theirs.
TRAIN = "python -m flows.train vae"
SERVE = 'python -m flows.retrain --serve --cron "0 3 * * *"'


@pytest.fixture(scope="module")
def api(tmp_path_factory):
    """The address of a server on the loopback, stopped at the end."""
    home = tmp_path_factory.mktemp("prefect")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(home))
        database = f"sqlite+aiosqlite:///{home}/server.db"
        patch.setenv("PREFECT_SERVER_DATABASE_CONNECTION_URL", database)
        with serving.server(free_port()) as url, temporary_settings({PREFECT_API_URL: url}):
            patch.setenv("PREFECT_API_URL", url)
            yield url


@pytest.fixture(scope="module")
def checkout(template, tmp_path_factory):
    """A project that the tests below work on one after another."""
    root = tmp_path_factory.mktemp("flows") / "project"
    shutil.copytree(template, root)
    with pytest.MonkeyPatch.context() as patch:
        # The store that MLflow keeps in the environment would win over the project's own.
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(root)
        yield root


@pytest.fixture(scope="module")
def trained(api, checkout):  # noqa: ARG001 (the command needs both)
    """What `python -m flows.train first` said."""
    return command(*arguments(TRAIN.replace("vae", "first")))


def request(api, method, path, **content):
    """Through Prefect's client: a busy server answers 503, and the client asks again."""
    with SyncPrefectClient(api) as client:
        return client.request(method, path, json=content or None).json()


def ask(api, what, **conditions):
    return request(api, "POST", f"/{what}/filter", **conditions)


def arguments(line):
    """Module and arguments of a line `python -m ...`."""
    return shlex.split(line.removeprefix("python -m "))


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", *arguments], capture_output=True, text=True, timeout=240, check=False
    )


def wait_for(condition, seconds, what):
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, f"no {what} within {seconds} seconds"
        time.sleep(0.5)
    return result


@contextmanager
def background(*arguments, output=subprocess.PIPE):
    # A shell that starts the tests in the background has them ignore Ctrl-C, and so what they start.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(
            [sys.executable, "-m", *arguments],
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):  # as Ctrl-C does, to all of the group
            os.killpg(process.pid, signal.SIGINT)
        try:
            process.communicate(timeout=150)
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def test_train(api, checkout, trained):
    assert trained.returncode == 0, trained.stderr
    assert (checkout / "exports/first/model.keras").is_file()
    assert not (checkout / "models/second").exists()
    assert "as they have no page: second" in trained.stderr
    assert "first was trained for 10 epochs" in trained.stderr
    logs = [entry["message"] for entry in ask(api, "logs", limit=200)]
    assert "first was trained for 10 epochs" in logs
    text = ask(api, "artifacts", artifacts={"key": {"any_": ["training"]}})[0]["data"]
    assert "nll_nats 92" in text
    assert "run-of-first" in text
    tasks = {task["name"]: task["run_count"] for task in ask(api, "task_runs", limit=50)}
    stages = ("prepare@mine", "train@first", "evaluate@first", "page@first", "export@first")
    assert tasks == dict.fromkeys(stages, 1)


@pytest.mark.usefixtures("trained")
def test_a_users_mistake_is_one_line_and_tried_once(api, checkout):
    set_epochs(checkout, "first", 666)
    run = command("flows.train", "first")
    assert run.returncode == 1
    assert run.stderr.count("\nerror: ") == 1
    assert "\nerror: train@first: systems.first.fit.epochs: expected fewer\n" in run.stderr
    assert "Traceback" not in run.stderr
    failed = ask(api, "task_runs", task_runs={"state": {"type": {"any_": ["FAILED"]}}})
    assert [(task["name"], task["run_count"]) for task in failed] == [("train@first", 1)]
    assert json.loads((checkout / "models/first/model.weights.h5").read_text()) == 10


@pytest.mark.usefixtures("checkout")
def test_an_unknown_system_is_told_at_once(api, capsys):
    before = len(ask(api, "flow_runs"))
    for flow in (train_systems, retrain.retrain):
        assert entry.run_once(flow, ["first", "fist"]) == 1
        error = capsys.readouterr().err
        assert error.startswith("error: ")
        assert error.count("\n") == 1
        assert 'did you mean "first"' in error
    assert len(ask(api, "flow_runs")) == before
    # A server that was given the name, as by `prefect deployment run`, has a failed run to show.
    state = train_systems(systems=["fist"], return_state=True)
    assert state.is_failed()
    assert 'did you mean "first"' in state.message


@pytest.mark.usefixtures("api", "checkout")
def test_what_passes_is_tried_again(monkeypatch):
    monkeypatch.setattr(tasks.stage, "retry_delay_seconds", [0.1, 0.1, 0.1, 0.1])
    outcomes = [stages.PassingError("the lock is held"), stages.PassingError("again"), None]

    def reproduce(*_, **__):
        if error := outcomes.pop(0):
            raise error

    monkeypatch.setattr(stages, "reproduce", reproduce)
    assert prefect.flow(lambda: tasks.Stages(0)("train@first"), name="retry")() is None
    assert outcomes == []


@pytest.mark.usefixtures("trained")
def test_a_schedule_runs_and_a_worse_model_is_not_promoted(api, checkout):
    settings = load_settings(checkout / "params.yaml")
    with champions.registry_of(settings) as registry:
        assert champions.promote(registry, settings, "first", checkout, print).promote
    set_epochs(checkout, "first", 5)
    ended = {"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}}
    scheduled = {**ended, "tags": {"all_": ["auto-scheduled"]}}
    # Every minute, so that the test does not wait for the night.
    program, *options = arguments(SERVE.replace("0 3 * * *", "* * * * *"))
    with background(program, "first", *options):
        runs = wait_for(lambda: ask(api, "flow_runs", flow_runs=scheduled), 200, "scheduled run")
    assert runs[0]["state_type"] == "COMPLETED", runs[0]["state"]
    with champions.registry_of(settings) as registry:
        assert int(champions.version_of(registry, "first", "challenger").version) == 2
        assert int(champions.version_of(registry, "first", "champion").version) == 1
    text = ask(api, "artifacts", artifacts={"key": {"any_": ["promotion"]}})[0]["data"]
    assert "not promoted" in text
    assert "nll_nats 97 against the champion's 92" in text


@pytest.mark.usefixtures("trained")
def test_retraining_with_nothing_new_says_so_and_why(api, checkout):
    weights = checkout / "models/first/model.weights.h5"
    stages.reproduce("train@first", checkout, lambda _: None)
    before = weights.stat().st_mtime_ns
    state = retrain.retrain(systems=["first"], return_state=True)
    assert state.message == "nothing to train: first"
    assert "not trained: data, settings and code are those of its last" in state.result()["first"]
    assert weights.stat().st_mtime_ns == before
    text = ask(api, "artifacts", artifacts={"key": {"any_": ["promotion"]}}, sort="CREATED_DESC")
    assert "not trained" in text[0]["data"]


def stopped(process):
    """Asks a flow to end, which it does within ten seconds and without a traceback."""
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate(timeout=10)
    assert process.returncode == 128 + signal.SIGTERM
    assert "Traceback" not in (output or "")


@pytest.mark.usefixtures("api")
def test_a_cancelled_run_stops_its_stage(checkout):
    set_epochs(checkout, "first", 888)
    with background("flows.train", "first") as process:
        wait_for((checkout / "stage.pid").is_file, 60, "running stage")
        stopped(process)
    commands = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline")]
    assert not any(b"pipelines.train\0first" in line for line in commands)


@pytest.mark.usefixtures("api")
def test_a_run_that_waits_for_dvc_says_so_once_and_can_be_cancelled(checkout):
    set_epochs(checkout, "first", 888)
    (checkout / "stage.pid").unlink(missing_ok=True)
    log = checkout / "waiting.log"
    with background("dvc", "repro", "--single-item", "train@first") as other:
        wait_for((checkout / "stage.pid").is_file, 60, "running stage")
        with log.open("w") as file, background("flows.train", "first", output=file) as process:
            wait_for(lambda: "waiting" in log.read_text(), 60, "waiting flow")
            stopped(process)
        assert other.poll() is None
    output = log.read_text()
    assert "Traceback" not in output
    assert output.count("waiting for up to 60 minutes: process") == 1
    assert "rwlock" not in output


@pytest.mark.usefixtures("trained")
def test_prefect_yaml_deploys_and_a_worker_runs_it(api, checkout):
    set_epochs(checkout, "first", 10)
    request(api, "POST", "/work_pools/", name="gm-keras", type="process")
    deploy = ("--no-prompt", "deploy", "--prefect-file", "flows/prefect.yaml", "--all")
    run = command("prefect", *deploy)
    assert run.returncode == 0, run.stdout + run.stderr
    deployed = {item["name"]: item for item in ask(api, "deployments")}
    assert deployed["nightly"]["entrypoint"] == "flows/retraining.py:retrain"
    assert deployed["nightly"]["parameters"]["force"] is False
    assert deployed["nightly"]["schedules"][0]["schedule"]["cron"] == "0 3 * * *"

    path = f"/deployments/{deployed['on-demand']['id']}/create_flow_run"
    scheduled = {"type": "SCHEDULED"}
    start = request(api, "POST", path, parameters={"systems": ["first"]}, state=scheduled)
    worker = command("prefect", "worker", "start", "--pool", "gm-keras", "--run-once")
    ended = request(api, "GET", f"/flow_runs/{start['id']}")
    assert ended["state_type"] == "COMPLETED", worker.stdout + worker.stderr


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--cron", "often"], 2, "five fields"),
        (["--cron", ""], 2, "five fields"),
        (["--port", "no"], 2, "--port"),
        (["--wait", "long"], 2, "minutes from 0 on, not long"),
        (["--wait", "-1"], 2, "minutes from 0 on, not -1"),
        (["--port", "0"], 2, "65535"),
        (["--port", "{taken}"], 1, "--port"),
        (["nosuch"], 1, "nosuch"),
    ],
)
def test_serving_tells_in_one_line_what_is_wrong(api, monkeypatch, capsys, arguments, code, words):
    taken = api.split(":")[2].split("/")[0]
    arguments = [argument.format(taken=taken) for argument in arguments]
    monkeypatch.setattr("sys.argv", ["retrain.py", "--serve", *arguments])
    with temporary_settings(restore_defaults={PREFECT_API_URL}):
        try:
            result = retrain.main()
        except SystemExit as end:
            result = end.code
    error = capsys.readouterr().err
    assert result == code
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert words in error


@pytest.mark.usefixtures("checkout")
@pytest.mark.parametrize("arguments", [["--serve"], ["first"]])
def test_a_prefect_server_that_does_not_answer(monkeypatch, capsys, arguments):
    monkeypatch.setattr("sys.argv", ["retrain.py", *arguments])
    url = f"http://127.0.0.1:{free_port()}/api"
    with temporary_settings({PREFECT_API_URL: url}):
        assert retrain.main() == 1
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert url in error
