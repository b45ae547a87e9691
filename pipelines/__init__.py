"""The pipeline: each module up here is a stage of `dvc.yaml`, called as `python -m pipelines.<stage>`.

The packages, each importing only from those after it: `command` (gm-keras) and `report`; the stages; `exports`,
`running` (from settings to objects), `tracking` (MLflow), `settings` (params.yaml), `shared`.
"""

from gm_keras import extras

extras.need_or_exit("pipeline")
