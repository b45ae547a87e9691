"""A project with one tiny system, as the stages find it, without training."""

import json
from pathlib import Path

PARAMS = """\
tracking: { uri: "sqlite:///mlflow.db", experiment: tiny_experiment }
data:
  digits: { source: tfds }
systems:
  tiny:
    class: vae
    data: digits
    uses: none
    model: { latent_dim: 2, network: dense, units: [8], num_classes: 10 }
    optimizers: { main: { class: adam, learning_rate: 0.001 } }
    fit: { epochs: 2, batch_size: 8 }
    sample: {}
    evaluate: { samples: 8 }
"""
DATASET = {
    "name": "digits",
    "source": "tfds",
    "version": "1.0.0",
    "primary": "image",
    "fields": {
        "image": {"shape": [8, 8, 1], "dtype": "uint8"},
        "label": {"shape": [], "dtype": "int32"},
    },
    "splits": {"train": 100, "validation": 10, "test": 10},
    "levels": 17,
    "num_classes": 10,
    "class_names": None,
    "checksums": {"train_image.npy": "0" * 64},
}


def make_project(folder: Path) -> Path:
    """Writes `params.yaml` and the description of a data set into an empty folder."""
    (folder / "data" / "digits").mkdir(parents=True)
    (folder / "params.yaml").write_text(PARAMS, encoding="utf-8")
    (folder / "data" / "digits" / "dataset.json").write_text(json.dumps(DATASET), encoding="utf-8")
    return folder
