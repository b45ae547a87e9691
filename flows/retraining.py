"""The flow that retrains systems of params.yaml and promotes what is better.

New data are prepared, the models trained, evaluated and exported; the export registers each as
`challenger`. It becomes `champion` only if its metric beats the champion's on the same test set.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_markdown_artifact
from prefect.runtime import flow_run
from prefect.states import Completed, Failed, State

from flows import champions, history, plan, stages, summary
from flows.lock import one_writer
from flows.promotion import Decision
from flows.stages import WAIT_MINUTES
from flows.tasks import Stages
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
def retrain(
    systems: list[str] | None = None, force: bool = False, wait_minutes: float = WAIT_MINUTES
) -> State | dict[str, str]:
    """Prepares new data, retrains, evaluates, exports, and promotes what is better.

    Args:
        systems: Keys of `params.yaml`; all of them by default.
        force: Train even if data, settings and code are unchanged.
        wait_minutes: A stage waits so long at most, while DVC is at work in the checkout.

    Returns:
        For each system, what was decided; a failed state with one line if any stage failed.
    """
    log = get_run_logger().info
    root, run_stage = Path.cwd(), Stages(wait_minutes)
    try:
        settings = load_settings(root / "params.yaml")
        with one_writer(root, log):
            names = stages.names(root)
            todo = plan.make(settings, systems, names, fresh_data=True, force=force)
            due = flow_run.scheduled_start_time
            if not force and history.covered(root, list(todo.systems), due):
                return Completed(message="a run that began after this one was due did its work")
            began = datetime.now(UTC)
            failures = plan.execute(todo, run_stage, log)
            idle = {
                key: reason
                for key in todo.systems
                if key not in failures and (reason := untrained(key, run_stage.outcomes))
            }
            for key, reason in idle.items():
                log(f"{key}: {reason}")
            decisions = judge(settings, todo, failures, root, run_stage)
            if failure := plan.run_report(settings, names, root, run_stage, log):
                failures[plan.REPORT] = failure
            history.record(root, [key for key in todo.systems if key not in failures], began)
    except UserError as error:
        return Failed(message=str(error))
    text = summary.promoted(decisions, failures, idle)
    create_markdown_artifact(text, key="promotion", description="Which models were promoted")
    if failures:
        return Failed(message=summary.line(failures))
    reasons = {
        key: "; ".join(filter(None, (idle.get(key), decision.reason)))
        for key, decision in decisions.items()
    }
    if len(idle) == len(todo.systems):
        return Completed(message=f"nothing to train: {', '.join(idle)}", data=reasons)
    return reasons


def untrained(key: str, outcomes: Mapping[str, stages.Outcome]) -> str:
    """Says why a system was not trained; "" where it was.

    Args:
        key: In `params.yaml`.
        outcomes: What became of the stages.
    """
    match outcomes.get(f"train@{key}"):
        case "unchanged":
            return (
                "not trained: data, settings and code are those of its last training "
                "(--force trains it anyway)"
            )
        case "restored":
            return (
                "not trained: DVC's cache had the model of these data, settings and code "
                "(--force trains it anyway)"
            )
    return ""


def judge(
    settings: Settings, todo: plan.Plan, failures: dict[str, str], root: Path, run: plan.Run
) -> dict[str, Decision]:
    """Promotes what is better among the systems that are up to date.

    Args:
        settings: `params.yaml`.
        todo: The systems.
        failures: For each that failed, why; what fails here is added.
        root: The folder of the project.
        run: Runs one stage.

    Returns:
        For each system that could be judged, the decision.
    """
    decisions = {}
    for key in todo.systems:
        if key in failures:
            continue
        if failure := register_again(settings, key, root, run):
            failures[key] = failure
            continue
        state = promote(key, return_state=True)
        if state.is_completed():
            decisions[key] = state.result()
        else:
            failures[key] = f"{key}: {state.message}"
    return decisions
