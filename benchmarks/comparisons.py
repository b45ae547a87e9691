"""The settings of comparisons: the same networks, data and steps, one argument changed, and several seeds of each.

`python -m benchmarks.comparisons NAME FOLDER` writes `FOLDER/params.yaml`, for a checkout of its own, and prints the
commands that train and measure all of it there and write the page of the documentation.
"""

import argparse
import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
TECHNIQUES = (
    "feature_matching",
    "minibatch_discrimination",
    "historical_averaging",
    "label_smoothing",
    "virtual_batch_normalization",
)
#: What both players of a GAN minimize, and what bounds the slope of the discriminator, with the weight of its paper.
OBJECTIVES: Mapping[str, Mapping[str, Any]] = {
    "minimax": {"loss": "minimax"},
    "non_saturating": {"loss": "non_saturating"},
    "non_saturating_r1": {"loss": "non_saturating", "penalty": "r1"},
    "least_squares": {"loss": "least_squares"},
    "hinge": {"loss": "hinge"},
    "wasserstein_clipped": {"loss": "wasserstein", "penalty": "clipping"},
    "wasserstein_gp": {"loss": "wasserstein", "penalty": "gradient_penalty"},
    "lipschitz": {"loss": "lipschitz_log_sigmoid", "penalty": "max_gradient_penalty"},
}


@dataclass(frozen=True)
class Comparison:
    """One table of the documentation.

    Attributes:
        title: Of the page.
        recipe: Whose networks, optimizers and steps all variants share.
        variants: By name, the arguments of the model that make each.
        model: Arguments that all have, where they are not the recipe's.
    """

    title: str
    recipe: str
    variants: Mapping[str, Mapping[str, Any]]
    model: Mapping[str, Any] = field(default_factory=dict)


def _switched(*on: str) -> dict[str, bool]:
    return {name: name in on for name in TECHNIQUES}


COMPARISONS: Mapping[str, Comparison] = {
    # A penalty on each example's own gradient allows no batch normalization in the discriminator.
    "objectives": Comparison("Objectives of GANs", "dcgan", OBJECTIVES, {"normalization": "layer"}),
    "objectives_of_points": Comparison(
        "Objectives of GANs on points of the plane", "gan", OBJECTIVES, {"pieces": None}
    ),
    "techniques": Comparison(
        "Techniques of Improved GAN",
        "improved_gan",
        {
            "none": _switched(),
            **{name: _switched(name) for name in TECHNIQUES},
            "all_but_feature_matching": _switched(*TECHNIQUES[1:]),
            "all": _switched(*TECHNIQUES),
        },
    ),
    "attention": Comparison(
        "Self-attention on and off", "sagan", {"on": {}, "off": {"attention": None}}
    ),
}


def settings(name: str, data: str, seeds: int, epochs: int | None = None) -> dict[str, Any]:
    """The content of `params.yaml`.

    Args:
        name: One of `COMPARISONS`.
        data: A data set of the recipe.
        seeds: Trainings of each variant.
        epochs: Instead of the recipe's.
    """
    compared = COMPARISONS[name]
    recipe = YAML(typ="safe").load(ROOT / "gm_keras" / "recipes" / f"{compared.recipe}.yaml")
    block, changes = recipe["system"], recipe["datasets_overrides"].get(data, {})
    model = {**block["model"], **changes.get("model", {}), **compared.model}
    fit = {**block["fit"], **changes.get("fit", {}), "grids": 1}
    if epochs is not None:
        fit["epochs"] = epochs
    block = {
        **block,
        "data": data,
        **{part: changes.get(part, block[part]) for part in ("optimizers", "evaluate")},
    }
    systems = {
        f"{variant}_{seed}": copy.deepcopy(
            {**block, "model": {**model, **arguments}, "fit": {**fit, "seed": seed}}
        )
        for variant, arguments in compared.variants.items()
        for seed in range(seeds)
    }
    defaults = YAML(typ="safe").load(ROOT / "params.yaml")
    return {**defaults, "data": {data: {"source": "tfds"}}, "systems": systems}


def main() -> None:
    """Writes the settings, and prints the commands that make the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("name", choices=COMPARISONS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", default="digits")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int)
    options = parser.parse_args()
    target = options.folder / "params.yaml"
    if options.seeds < 1:
        parser.error(f"--seeds must be at least 1, not {options.seeds}")
    if not options.folder.is_dir() or target.exists():
        parser.error(f"{options.folder} must be a folder without params.yaml: it would be lost")
    content = settings(options.name, options.data, options.seeds, options.epochs)
    YAML().dump(content, target)
    title = f"{COMPARISONS[options.name].title}: {options.data}"
    page = f"docs/comparisons/{options.name}_{options.data}.md"
    keys = " ".join(content["systems"])
    print(f"dvc repro evaluate\ngm-keras compare --over-seeds {keys} -o {page} --title '{title}'")


if __name__ == "__main__":
    main()
