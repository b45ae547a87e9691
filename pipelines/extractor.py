"""`python -m pipelines.extractor DATA`: makes what samples are compared in: a classifier, or the Inception network."""

from pathlib import Path

from pipelines.running.stages import stage
from pipelines.settings import Settings
from pipelines.shared.errors import UserError
from pipelines.shared.files import replacing


def run(name: str, settings: Settings, root: Path) -> None:
    """Writes `extractors/<name>/`: the network, and what it makes of the real examples."""
    from pipelines.running.build import prepared

    data = prepared(name, settings, root)
    from gm_keras.metrics.features import make_extractor

    chosen = settings.metrics
    weights = chosen.weights_file(root)
    with replacing(root / "extractors" / name) as folder:
        folder.mkdir()
        try:
            content = make_extractor(
                data, settings.seed, folder, kind=chosen.extractor, weights=weights
            )
        except ValueError as error:
            raise UserError(f"{name}: {error}") from None
    accuracy, kind = content["accuracy"], content["kind"]
    if kind == "classifier":
        print(f"{name}: a classifier with {accuracy:.1%} of the test set right")
    elif kind == "inception":
        print(f"{name}: {content['name']}, weights {content['sha256'][:12]}")
    else:
        print(f"{name}: compared as they are (no labelled images to train a classifier on)")


if __name__ == "__main__":
    stage(run, "python -m pipelines.extractor DATA")
