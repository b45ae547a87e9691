"""`params.yaml`: its blocks (`schema`), reading and checking it (`loading`), editing it (`params_file`)."""

from pipelines.settings.keys import NOTHING
from pipelines.settings.loading import (
    EXPERIMENTS_OF_DVC,
    load_settings,
    project_root,
    settings_of,
)
from pipelines.settings.schema import (
    BACKENDS,
    LARGEST_SEED,
    CheckpointSettings,
    DataSettings,
    EvaluateSettings,
    FitSettings,
    MetricsSettings,
    Settings,
    SystemSettings,
    TrackingSettings,
)

__all__ = [
    "BACKENDS",
    "EXPERIMENTS_OF_DVC",
    "LARGEST_SEED",
    "NOTHING",
    "CheckpointSettings",
    "DataSettings",
    "EvaluateSettings",
    "FitSettings",
    "MetricsSettings",
    "Settings",
    "SystemSettings",
    "TrackingSettings",
    "load_settings",
    "project_root",
    "settings_of",
]
