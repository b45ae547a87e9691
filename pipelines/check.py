"""`python -m pipelines.check`: the stage that reads `params.yaml` before DVC removes any output.

It only goes first: of its outputs one changes, with the settings under `metrics:`.
"""

from pipelines.settings import NOTHING, Settings, load_settings, own_paths, project_root
from pipelines.shared.errors import UserError, main
from pipelines.shared.files import write_json, writing


def run() -> None:
    """Checks `params.yaml` and the places that it names, and writes the marker that every other stage waits for."""
    settings = load_settings()
    _check_watched(settings)
    own_paths.check(settings, project_root())
    marker = project_root() / "build" / "checked"
    with writing(marker):
        marker.parent.mkdir(exist_ok=True)
        marker.write_text("params.yaml was read without a problem\n", encoding="utf-8")
    # DVC refuses a parameter that is not there, and `metrics:` may be left out.
    write_json(marker.parent / "metrics.json", settings.metrics.model_dump())
    # DVC cannot leave a dependency out: `uses: none` depends on these.
    nothing = project_root() / "models" / NOTHING
    with writing(nothing):
        nothing.mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "model.weights.h5"):
            (nothing / name).write_text("nothing\n", encoding="utf-8")


def _check_watched(settings: Settings) -> None:
    """Refuses defaults where DVC watches a parameter: it looks for that after it has removed the outputs of a stage."""
    for name in ("backend", "seed"):
        if name not in settings.model_fields_set:
            default = getattr(settings, name)
            raise UserError(f"params.yaml: {name} is missing: write {name}: {default}")
    for key, system in settings.systems.items():
        if "uses" not in system.model_fields_set:
            raise UserError(f"params.yaml: systems.{key}.uses is missing: write uses: {NOTHING}")


if __name__ == "__main__":
    main(run)
