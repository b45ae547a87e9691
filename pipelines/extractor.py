"""`python -m pipelines.extractor DATA`: trains the classifier in whose features samples are compared."""

from pathlib import Path

from pipelines.files import replacing
from pipelines.settings import Settings
from pipelines.stages import stage


def run(name: str, settings: Settings, root: Path) -> None:
    """Writes `extractors/<name>/`."""
    from pipelines.build import prepared

    data = prepared(name, settings, root)
    from gm_keras.metrics.features import train_extractor

    with replacing(root / "extractors" / name) as folder:
        folder.mkdir()
        content = train_extractor(data, settings.seed, folder)
    accuracy = content["accuracy"]
    print(
        f"{name}: compared as they are (no labels to train a classifier on)"
        if accuracy is None
        else f"{name}: a classifier with {accuracy:.1%} of the test set right"
    )


if __name__ == "__main__":
    stage(run, "python -m pipelines.extractor DATA")
