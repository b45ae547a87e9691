"""What is measured: the recipes of the systems, at the sizes of their data sets."""

import inspect
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ROOT / "gm_keras" / "recipes"
DATA = ROOT / "build" / "benchmarks" / "data"

#: name -> (recipe, the data set whose overrides hold, fields with their shapes)
DIGITS = {"image": (8, 8, 1)}
MNIST = {"image": (28, 28, 1)}
SYSTEMS: dict[str, tuple[str, str | None, dict[str, tuple[int, ...]]]] = {
    "vae": ("vae", None, DIGITS),
    "vqvae": ("vqvae", None, DIGITS),
    "vqvae_prior": ("vqvae_prior", None, DIGITS),
    "gated_pixelcnn": ("gated_pixelcnn", None, DIGITS),
    "realnvp": ("realnvp", None, DIGITS),
    "dcgan": ("dcgan", None, DIGITS),
    "wgan_gp": ("wgan_gp", None, DIGITS),
    "progressive_gan": ("progressive_gan", None, DIGITS),
    "sngan": ("sngan", None, DIGITS),
    "biggan": ("biggan", None, DIGITS),
    "pix2pix": ("pix2pix", None, {"source": (8, 8, 1), "target": (8, 8, 1)}),
    "ddpm": ("ddpm", None, DIGITS),
    "rbm": ("rbm", None, DIGITS),
    "helmholtz_machine": ("helmholtz_machine", None, {"image": (4, 4, 1)}),
    "gpt2": ("gpt2", None, {"tokens": ()}),
    "vae_28": ("vae", "mnist", MNIST),
    "vqvae_28": ("vqvae", "mnist", MNIST),
    "gated_pixelcnn_28": ("gated_pixelcnn", "mnist", MNIST),
    "realnvp_28": ("realnvp", "mnist", MNIST),
    "dcgan_28": ("dcgan", "mnist", MNIST),
    "wgan_gp_28": ("wgan_gp", "mnist", MNIST),
    "ddpm_28": ("ddpm", "mnist", MNIST),
    "rbm_28": ("rbm", "mnist", MNIST),
}
EXAMPLES = 2048
LEVELS = {"image": 256, "source": 2, "target": 17}
#: Sets whose pixels have other values than 0 to 255.
LEVELS_OF_SHAPE = {(8, 8, 1): 17, (4, 4, 1): 2}


def case(name: str, examples: int = EXAMPLES, **changes: Any) -> dict[str, Any]:
    """One case as plain data: what both sides build, and what they train on.

    Args:
        name: Of `SYSTEMS`.
        examples: Of the training set.
        **changes: Replace what the recipe says: `batch_size`, `precision`, or arguments of the model.

    Returns:
        The constructor's arguments with their defaults (`model`), the blocks of the `optimizers`, `batch_size`,
        the `batches` that a step takes, the files of the `fields`, and the folder of the `data`.
    """
    from gm_keras import registry

    recipe, dataset, fields = SYSTEMS[name]
    text = YAML(typ="safe").load((RECIPES / f"{recipe}.yaml").read_text(encoding="utf-8"))
    block = _merged(text["system"], text.get("datasets_overrides", {}).get(dataset, {}))
    cls = registry.get(recipe)
    signature = inspect.signature(cls.__init__).parameters
    defaults = {
        key: parameter.default
        for key, parameter in signature.items()
        if key not in ("self", "name") and parameter.default is not inspect.Parameter.empty
    }
    folder = write_data(fields, examples)
    facts = _facts(fields)
    model = {**defaults, **{k: v for k, v in facts.items() if k in signature}}
    model |= block["model"]
    given = {"batch_size", "precision"}
    model |= {key: value for key, value in changes.items() if key not in given}
    made = {
        "name": name,
        "system": recipe,
        "model": model,
        "optimizers": block["optimizers"],
        "batch_size": changes.get("batch_size", block["fit"]["batch_size"]),
        "batches": model.get("n_critic", 1) if block["fit"].get("fresh_batches") else 1,
        "precision": changes.get("precision", "float32"),
        "levels": facts.get("levels", 256),
        "data": str(folder),
        "fields": {
            field: str(folder / f"train_{field}.npy")
            for field in (*fields, *(("label",) if model.get("num_classes") else ()))
        },
    }
    if "stages" in block["fit"]:
        made["stage"] = list(block["fit"]["stages"])[-1]
    if block["uses"] != "none":
        made["first_stage"] = case(block["uses"], examples)["model"]
    return made


def _merged(base: dict, changes: dict) -> dict:
    merged = dict(base)
    for key, value in changes.items():
        both = isinstance(value, dict) and isinstance(merged.get(key), dict)
        merged[key] = _merged(merged[key], value) if both and key != "stages" else value
    return merged


def _facts(fields: dict[str, tuple[int, ...]]) -> dict[str, Any]:
    if "tokens" in fields:
        return {"vocabulary": "".join(chr(33 + index) for index in range(65))}
    shape = fields.get("image") or fields["target"]
    facts: dict[str, Any] = {
        "image_shape": list(shape),
        "levels": LEVELS_OF_SHAPE.get(shape, 256),
    }
    if "source" in fields:
        return facts | {"source_shape": list(fields["source"])}
    return facts


def write_data(fields: dict[str, tuple[int, ...]], examples: int) -> Path:
    """Writes a prepared data set of random values, once; returns its folder."""
    import json

    side = next(iter(fields.values()))
    name = "_".join([*fields, *map(str, side), str(examples)])
    folder = DATA / name
    if (folder / "dataset.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    random = np.random.default_rng(0)
    facts = _facts(fields)
    splits = {"train": examples, "validation": 64, "test": 64}
    described = {}
    for field, shape in fields.items():
        levels = 65 if field == "tokens" else facts["levels"]
        described[field] = {"shape": list(shape), "dtype": "uint8", "levels": levels}
        for split, count in splits.items():
            rows = count * 64 if field == "tokens" else count
            values = random.integers(levels, size=(rows, *shape), dtype=np.uint8)
            np.save(folder / f"{split}_{field}.npy", values)
    classes = 10 if "image" in fields else None
    if classes:
        described["label"] = {"shape": [], "dtype": "int32"}
        for split, count in splits.items():
            np.save(
                folder / f"{split}_label.npy", random.integers(classes, size=count, dtype=np.int32)
            )
    primary = "target" if "target" in fields else next(iter(fields))
    info = {
        "name": name,
        "primary": primary,
        "fields": described,
        "splits": {
            split: count * (64 if "tokens" in fields else 1) for split, count in splits.items()
        },
        "levels": described[primary]["levels"],
        "num_classes": classes,
    }
    if "tokens" in fields:
        info |= {"stream": True, "vocabulary": facts["vocabulary"]}
    (folder / "dataset.json").write_text(json.dumps(info), encoding="utf-8")
    return folder
