"""Trains systems of params.yaml, all of them or those named: python -m flows.train vae ddpm

One task for each stage, one `dvc repro --single-item` a task. What can pass by itself, such as of the
network, is retried; a user's mistake is told once. While DVC is at work in the checkout, a stage waits.
"""

import sys
from pathlib import Path

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact
from prefect.states import Failed, State

from flows import entry, plan, stages, summary
from flows.lock import one_writer
from flows.stages import WAIT_MINUTES
from flows.tasks import Stages
from pipelines.settings import load_settings
from pipelines.shared.errors import UserError


@flow(name="train-systems", persist_result=False)
def train_systems(
    systems: list[str] | None = None, wait_minutes: float = WAIT_MINUTES
) -> State | dict[str, str]:
    """Prepares data, trains, evaluates, exports, and reports.

    Args:
        systems: Keys of `params.yaml`; all of them by default.
        wait_minutes: A stage waits so long at most, while DVC is at work in the checkout.

    Returns:
        What became of each system; a failed state with one line if any failed.
    """
    log = get_run_logger().info
    root, run_stage = Path.cwd(), Stages(wait_minutes)
    try:
        settings = load_settings(root / "params.yaml")
        with one_writer(root, log):
            names = stages.names(root)
            todo = plan.make(settings, systems, names)
            failures = plan.execute(todo, run_stage, log)
            if failure := plan.run_report(settings, names, root, run_stage, log):
                failures[plan.REPORT] = failure
    except UserError as error:
        return Failed(message=str(error))
    text = summary.trained(settings, list(todo.systems), failures, root)
    create_markdown_artifact(text, key="training", description="What was trained")
    if failures:
        return Failed(message=summary.line(failures))
    return dict.fromkeys(todo.systems, "trained")


if __name__ == "__main__":
    options = entry.parser(__doc__).parse_args()
    sys.exit(entry.run_once(train_systems, options.systems, wait_minutes=options.wait))
