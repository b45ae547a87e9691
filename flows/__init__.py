"""Prefect flows over the DVC stages: `train` on demand, `retrain` on a schedule.

DVC keeps the record of what is up to date; the flows add the schedule, retries, logs, and the
choice between a new model and the one in use. Nothing here imports Keras.
"""

import os

from gm_keras import extras

extras.need_or_exit("pipeline")

# Set before Prefect is imported, never over the user's own: the tools report nothing to anyone, and
# the temporary server of a single run may take its time on a busy machine.
for _name, _value in {
    "DO_NOT_TRACK": "1",
    "DVC_NO_ANALYTICS": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
}.items():
    os.environ.setdefault(_name, _value)
