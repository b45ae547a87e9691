"""The settings of a comparison: eight objectives of GANs with the same networks, the same steps, and several seeds.

`python -m benchmarks.objectives FOLDER` writes `FOLDER/params.yaml`, for a checkout of its own, and prints the
commands that train and measure all of it there and write the page. All play with the networks and optimizers of
the recipe `dcgan`, with layer normalization in the discriminator, as a penalty on each example's own gradient allows no
batch normalization. What differs is the objective and what bounds the slope, each with the weight of its paper.
"""

import argparse
import copy
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
RECIPE = ROOT / "gm_keras" / "recipes" / "dcgan.yaml"
PAGE = "docs/objectives.md"
#: The objective of each, and what bounds the slope of the discriminator.
OBJECTIVES: dict[str, dict[str, Any]] = {
    "minimax": {"loss": "minimax"},
    "non_saturating": {"loss": "non_saturating"},
    "non_saturating_r1": {"loss": "non_saturating", "penalty": "r1"},
    "least_squares": {"loss": "least_squares"},
    "hinge": {"loss": "hinge"},
    "wasserstein_clipped": {"loss": "wasserstein", "penalty": "clipping"},
    "wasserstein_gp": {"loss": "wasserstein", "penalty": "gradient_penalty"},
    "lipschitz": {"loss": "lipschitz_log_sigmoid", "penalty": "max_gradient_penalty"},
}


def settings(data: str, seeds: int, epochs: int | None = None) -> dict[str, Any]:
    """The content of `params.yaml`.

    Args:
        data: A data set of the recipe.
        seeds: Trainings of each objective.
        epochs: Instead of the recipe's.
    """
    recipe = YAML(typ="safe").load(RECIPE)
    block, changes = recipe["system"], recipe["datasets_overrides"].get(data, {})
    block = {
        **block,
        "data": data,
        **{name: changes.get(name, block[name]) for name in ("optimizers", "evaluate")},
    }
    model = {**recipe["system"]["model"], **changes.get("model", {}), "normalization": "layer"}
    fit = {**recipe["system"]["fit"], **changes.get("fit", {}), "grids": 1}
    if epochs is not None:
        fit["epochs"] = epochs
    systems = {
        f"{name}_{seed}": copy.deepcopy(
            {**block, "model": {**model, **objective}, "fit": {**fit, "seed": seed}}
        )
        for name, objective in OBJECTIVES.items()
        for seed in range(seeds)
    }
    defaults = YAML(typ="safe").load(ROOT / "params.yaml")
    return {**defaults, "data": {data: {"source": "tfds"}}, "systems": systems}


def main() -> None:
    """Writes the settings, and prints the commands that make the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
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
    content = settings(options.data, options.seeds, options.epochs)
    YAML().dump(content, target)
    keys = " ".join(content["systems"])
    print(
        f"dvc repro evaluate\ngm-keras compare --over-seeds {keys} -o {PAGE} --title 'Objectives of GANs'"
    )


if __name__ == "__main__":
    main()
