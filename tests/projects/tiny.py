"""A project with one tiny system, as the stages find it, without training."""

from pathlib import Path

from tests.projects import parts

SYSTEM = parts.block(
    "vae",
    model={"latent_dim": 2, "network": "dense", "units": [8], "num_classes": 10},
    fit={"epochs": 2, "batch_size": 8},
    evaluate={"samples": 8},
)


def make_project(folder: Path) -> Path:
    """Writes `params.yaml` and the description of a data set into an empty folder."""
    tracking = {"uri": "sqlite:///mlflow.db", "experiment": "tiny_experiment"}
    parts.write_params(folder, {"tiny": SYSTEM}, tracking=tracking)
    parts.write_description(
        folder / "data" / "digits",
        {"image": ((8, 8, 1), "uint8"), "label": ((), "int32")},
        {"train": 100, "validation": 10, "test": 10},
        levels=17,
        num_classes=10,
        checksums={"train_image.npy": "0" * 64},
    )
    return folder
