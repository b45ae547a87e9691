"""The Prefect task that both flows are made of."""

from pathlib import Path

from prefect import Task, get_run_logger, task
from prefect.client.schemas.objects import TaskRun
from prefect.states import Failed, State

from flows import stages

TRY_AGAIN = "TryAgain"


def may_pass(_task: Task, _run: TaskRun, state: State) -> bool:
    """Says whether a retry makes sense: Prefect asks after each failure."""
    return state.name == TRY_AGAIN


@task(
    name="stage",
    task_run_name="{target}",
    retries=4,
    retry_delay_seconds=[10, 30, 120, 300],
    retry_condition_fn=may_pass,
    persist_result=False,
)
def stage(target: str, force: bool = False) -> State | None:
    """Brings one DVC stage up to date; `force` runs it even if nothing changed."""
    try:
        stages.reproduce(target, Path.cwd(), get_run_logger().info, force=force)
    except stages.StageError as error:  # a state, not an exception: one line, no traceback
        return Failed(message=str(error))
    except stages.PassingError as error:
        return Failed(message=str(error), name=TRY_AGAIN)
    return None


def run_stage(target: str, force: bool = False) -> str | None:
    """Runs a stage as a task; returns what failed, or None."""
    state = stage(target, force=force, return_state=True)
    return None if state.is_completed() else state.message
