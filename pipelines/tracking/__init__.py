"""MLflow: the store, one run for each training, the revisions of what was trained, the pages."""

from pipelines.tracking.runs import Run, check, flatten, resume_run, start_run

__all__ = ["Run", "check", "flatten", "resume_run", "start_run"]
