"""A project folder as the stages leave it, made up: four systems on two data sets, with small pictures."""

import csv
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from PIL import Image

from tests.projects import parts
from tests.projects.parts import write_json

SYSTEMS = {
    "vae": parts.block("vae", model={"latent_dim": 4}),
    "dcgan": parts.block("dcgan", parts.GAME),
    "pix2pix": parts.block("pix2pix", parts.GAME),
    "gpt2": parts.block("gpt2", data="shakespeare", evaluate={"samples": 20}),
}
CLASSIFIER = {"kind": "classifier", "accuracy": 0.975, "sha256": "ab" * 32, "features": 32}
SHARED = {"data": "digits", "data_checksum": "cd" * 32, "split": "test", "real": 360, "seed": 0}
FLOOR_OF = "200 training examples against the test set"
METRICS: dict[str, dict[str, Any]] = {
    "vae": {
        **SHARED,
        "generated": 200,
        "seeds": 2,
        "extractor": CLASSIFIER,
        "negative_elbo_nats": 21.5,
        "elbo_nats": -21.5,
        "elbo_nats_stderr": 0.25,
        "classifier_fid": 30.0,
        "classifier_fid_stderr": 2.0,
        "precision": 0.7,
        "precision_stderr": 0.02,
        "primary": {"name": "negative_elbo_nats", "value": 21.5, "better": "lower"},
        "likelihood": {
            "kind": "bound",
            "of": "discrete",
            "importance_samples": 64,
            "dequantization": None,
        },
    },
    "dcgan": {
        **SHARED,
        "generated": 200,
        "extractor": CLASSIFIER,
        "classifier_fid": 12.0,
        "classifier_fid_stderr": 1.0,
        "precision": 0.72,
        "precision_stderr": 0.02,
        "primary": {"name": "classifier_fid", "value": 12.0, "better": "lower"},
        "likelihood": None,
        "left_out": {"recall": "needs at least 4 samples, there are 3"},
    },
    "pix2pix": {
        **SHARED,
        "generated": 200,
        "extractor": CLASSIFIER,
        "l1": 0.125,
        "l1_stderr": 0.004,
        "classifier_fid": 112.0,
        "classifier_fid_stderr": 9.0,
        "precision": 0.1,
        "precision_stderr": 0.02,
        "primary": {"name": "l1", "value": 0.125, "better": "lower"},
    },
    "gpt2": {
        **SHARED,
        "data": "shakespeare",
        "generated": 20,
        "real": 54,
        "extractor": {"kind": "raw", "accuracy": None, "sha256": None},
        "nats_per_token": 1.75,
        "nats_per_token_stderr": 0.01,
        "primary": {"name": "nats_per_token", "value": 1.75, "better": "lower"},
        "likelihood": {"kind": "exact", "importance_samples": None, "dequantization": None},
    },
}
CALIBRATION: dict[str, dict[str, Any]] = {
    "vae": {
        "floor": {"classifier_fid": 2.0, "classifier_fid_stderr": 0.2, "precision": 0.9},
        "ceiling": {"classifier_fid": 102.0, "precision": 0.1},
        "floor_of": FLOOR_OF,
        "ceiling_of": "uniform noise",
    },
    "dcgan": {
        "floor": {"classifier_fid": 2.0, "classifier_fid_stderr": 0.2, "precision": 0.9},
        "ceiling": {"classifier_fid": 132.0, "precision": 0.1},
        "floor_of": FLOOR_OF,
        "ceiling_of": "uniform noise",
    },
}
TEXTS = ["KING:\nWhat <b>say</b> you, </script> & friends?", "QUEEN:\nNothing, my lord."]


def write_picture(path: Path, seed: int, size: tuple[int, int] = (60, 48)) -> None:
    """Writes a PNG of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(256, size=(size[1], size[0], 3), dtype="uint8")
    Image.fromarray(pixels).save(path)


def write_history(path: Path, columns: dict[str, list[str]]) -> None:
    """Writes `history.csv`; an empty text is an epoch without the curve."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", *columns])
        for epoch, values in enumerate(zip(*columns.values(), strict=True), start=1):
            writer.writerow([epoch, *values])


def write_system(root: Path, key: str, metrics: dict[str, Any], seed: int) -> None:
    """Writes what the stages write of one system."""
    report, model = root / "reports" / key, root / "models" / key
    write_json(report / "scores.json", metrics)
    write_json(report / "samples.json", {"texts": TEXTS if key == "gpt2" else []})
    write_json(
        report / "timing.json",
        {
            "samples_per_second": 1234.5,
            "finished": "2026-01-02T03:04:05+0000",
            "backend": "jax",
            "device": "cpu",
        },
    )
    write_picture(report / "samples.png", seed)
    for epoch in (2, 4):
        write_picture(report / "epochs" / f"epoch_{epoch:04d}.png", seed + epoch)
    write_history(
        report / "history.csv",
        {"loss": ["4", "3", "2.5", "2.25"], "val_loss": ["4.5", "3.5", "3", "2.75"]},
    )
    write_json(model / "run.json", {"run_id": f"run-of-{key}", "backend": "jax"})
    with h5py.File(model / "model.weights.h5", "w") as file:
        file["dense/vars/0"] = np.zeros((30, 4 + seed), "float32")
        file["dense/vars/1"] = np.zeros(5, "float32")
        file["vars/step"] = np.zeros((), "int32")


def make_project(root: Path) -> Path:
    """Makes the whole project in an empty folder."""
    text = {"source": "folder", "path": "shakespeare.txt"}
    data = {"digits": {"source": "tfds"}, "shakespeare": text}
    parts.write_params(root, SYSTEMS, data=data)
    for seed, (key, metrics) in enumerate(METRICS.items()):
        write_system(root, key, metrics, seed)
    for key, content in CALIBRATION.items():
        write_json(root / "reports" / key / "calibration.json", content)
    write_json(
        root / "reports/vae/seeds.json",
        {"0": {"classifier_fid": 29.0}, "1": {"classifier_fid": 31.0}},
    )
    write_picture(root / "reports/vae/latents/line.png", 50, (300, 40))
    write_json(
        root / "reports/vae/pictures.json",
        [
            {
                "file": "line.png",
                "title": "Interpolation",
                "caption": "From one digit to another.",
                "alt": "Digits that turn into each other",
            }
        ],
    )
    parts.write_description(
        root / "data/digits",
        {"image": ((8, 8, 1), "uint8"), "label": ((), "int32")},
        {"train": 1293, "validation": 144, "test": 360},
        source="tfds:digits",
    )
    (root / "dvc.lock").write_text(
        "schema: '2.0'\nstages:\n  prepare@digits:\n    cmd: prepare\n    outs:\n"
        "    - path: data/digits\n      md5: 0123abcd.dir\n"
        "  train@vae:\n    cmd: train\n    outs:\n"
        "    - path: models/vae/model.weights.h5\n      md5: 4567ef\n",
        encoding="utf-8",
    )
    return root
