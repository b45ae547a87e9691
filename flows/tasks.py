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
def stage(target: str, force: bool = False, wait: float = 0.0) -> State | stages.Outcome:
    """Brings one DVC stage up to date.

    Args:
        target: The stage.
        force: Run it even if nothing changed.
        wait: For so many seconds at most, while DVC is at work in the checkout.
    """
    log = get_run_logger().info
    try:
        return stages.reproduce(target, Path.cwd(), log, force=force, wait=wait)
    except stages.StageError as error:  # a state, not an exception: one line, no traceback
        return Failed(message=str(error))
    except stages.PassingError as error:
        return Failed(message=str(error), name=TRY_AGAIN)


class Stages:
    """Runs stages as tasks, and keeps what became of them.

    Args:
        wait_minutes: Each waits so long at most, while DVC is at work in the checkout.

    Attributes:
        outcomes: For each stage that did not fail, what became of it.
    """

    def __init__(self, wait_minutes: float):
        self.wait = 60.0 * wait_minutes
        self.outcomes: dict[str, stages.Outcome] = {}

    def __call__(self, target: str, force: bool = False) -> str | None:
        """Runs a stage; returns what failed, or None."""
        state = stage(target, force=force, wait=self.wait, return_state=True)
        if not state.is_completed():
            return state.message
        self.outcomes[target] = state.result()
        return None
