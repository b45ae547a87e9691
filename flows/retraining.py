"""The flow that retrains systems of params.yaml and promotes what is better.

New data are prepared, the models trained, evaluated and exported; the export registers each as
`challenger`. It becomes `champion` only if its metric beats the champion's on the same test set.
"""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run
from prefect.states import Completed, Failed, State

from flows import champions, history, plan, stages, summary
from flows.lock import one_writer
from flows.promotion import Decision
from flows.tasks import run_stage
from pipelines.settings import Settings, load_settings
from pipelines.shared.errors import UserError


@task(name="promote", task_run_name="promote {key}", persist_result=False)
def promote(key: str) -> Decision | State:
    """Makes the challenger of a system its champion if it is better."""
    log = get_run_logger().info
    settings, root = load_settings(Path.cwd() / "params.yaml"), Path.cwd()
    try:
        with champions.registry_of(settings) as registry:
            decision = champions.promote(registry, settings, key, root, log)
    except UserError as error:
        return Failed(message=str(error))
    log(f"{key}: {'promoted' if decision.promote else 'not promoted'}: {decision.reason}")
    return decision


def register_again(settings: Settings, key: str, root: Path, run: plan.Run) -> str | None:
    """Runs the export once more if DVC had it in its cache but the registry has it not.

    Returns:
        What failed, or None.
    """
    with champions.registry_of(settings) as registry:
        if champions.export_is_registered(registry, key, root):
            return None
    return run(f"export@{key}", True)


@flow(name="retrain", persist_result=False)
def retrain(systems: list[str] | None = None) -> State | dict[str, str]:
    """Prepares new data, retrains, evaluates, exports, and promotes what is better.

    Args:
        systems: Keys of `params.yaml`; all of them by default.

    Returns:
        For each system, what was decided; a failed state with one line if any stage failed.
    """
    log = get_run_logger().info
    root = Path.cwd()
    try:
        settings = load_settings(root / "params.yaml")
        with one_writer(root, log):
            names = stages.names(root)
            todo = plan.make(settings, systems, names, fresh_data=True)
            if history.covered(root, list(todo.systems), flow_run.scheduled_start_time):
                return Completed(message="a run that began after this one was due did its work")
            began = datetime.now(UTC)
            failures = plan.execute(todo, run_stage, log)
            decisions = judge(settings, todo, failures, root)
            if failure := plan.run_report(settings, names, root, run_stage, log):
                failures[plan.REPORT] = failure
            history.record(root, [key for key in todo.systems if key not in failures], began)
    except UserError as error:
        return Failed(message=str(error))
    text = summary.promoted(decisions, failures)
    create_markdown_artifact(text, key="promotion", description="Which models were promoted")
    if failures:
        return Failed(message=summary.line(failures))
    return {key: decision.reason for key, decision in decisions.items()}


def judge(
    settings: Settings, todo: plan.Plan, failures: dict[str, str], root: Path
) -> dict[str, Decision]:
    """Promotes what is better among the systems that are up to date.

    Args:
        settings: `params.yaml`.
        todo: The systems.
        failures: For each that failed, why; what fails here is added.
        root: The folder of the project.

    Returns:
        For each system that could be judged, the decision.
    """
    decisions = {}
    for key in todo.systems:
        if key in failures:
            continue
        if failure := register_again(settings, key, root, run_stage):
            failures[key] = failure
            continue
        state = promote(key, return_state=True)
        if state.is_completed():
            decisions[key] = state.result()
        else:
            failures[key] = f"{key}: {state.message}"
    return decisions
