"""What is measured: networks of the sizes of the papers, as plain data that both sides build.

Differences from the papers: RGB features of our Gated PixelCNN come in three equal groups, so that it has 384
features, 128 for each colour, where 128 in all cannot be divided; tokens of the language model are 50,257 characters.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks.gpu.data import write

ADAM = {"class": "adam", "learning_rate": 2e-4, "use_ema": True, "ema_momentum": 0.9999}
ADAMW = {
    "class": "adamw",
    "learning_rate": {
        "schedule": "cosine_decay",
        "initial_learning_rate": 6e-7,
        "warmup_target": 6e-4,
        "warmup_steps": 2000,
        "decay_steps": 598000,
        "alpha": 0.1,
    },
    "beta_2": 0.95,
    "weight_decay": 0.1,
    "global_clipnorm": 1.0,
}


@dataclass(frozen=True)
class Comparison:
    """One row for each contender.

    Attributes:
        ours: Name of a class of `benchmarks.gpu.ours`, with its module.
        theirs: The same of `benchmarks.gpu.pytorch`.
        case: What both build.
        toy: What replaces parts of it at the smallest size.
        most: Units in one round.
    """

    ours: str
    theirs: str
    case: dict[str, Any]
    toy: dict[str, Any] = field(default_factory=dict)
    most: int = 16


def vocabulary(size: int) -> str:
    """So many distinct characters."""
    return "".join(chr(33 + index) for index in range(size))


#: Ho et al. 2020, arXiv 2006.11239, appendix B: CIFAR-10.
DDPM = {
    "system": "ddpm",
    "model": {
        "image_shape": [32, 32, 3],
        "timesteps": 1000,
        "schedule": "linear",
        "filters": 128,
        "multipliers": [1, 2, 2, 2],
        "blocks": 2,
        "attention": [16],
        "dropout": 0.1,
        "levels": 256,
    },
    "optimizers": {"main": ADAM},
    "batch_size": 256,
}
TOY_DDPM = {
    "model": {"image_shape": [8, 8, 3], "filters": 16, "multipliers": [1, 2], "attention": [4]},
    "batch_size": 8,
}
#: Radford et al. 2019: the smallest of the four, 124 million weights.
GPT2 = {
    "system": "gpt2",
    "model": {"vocabulary": 50257, "context": 1024, "layers": 12, "width": 768, "heads": 12},
    "optimizers": {"main": ADAMW},
    "batch_size": 16,
}
TOY_GPT2 = {
    "model": {"vocabulary": 65, "context": 16, "layers": 2, "width": 32, "heads": 2},
    "batch_size": 4,
}
#: van den Oord et al. 2016, arXiv 1606.05328: CIFAR-10.
PIXELCNN = {
    "system": "gated_pixelcnn",
    "model": {
        "image_shape": [32, 32, 3],
        "levels": 256,
        "filters": 384,
        "layers": 15,
        "kernel_size": 5,
        "first_kernel_size": 7,
        "hidden": 768,
    },
    "optimizers": {"main": ADAM},
    "batch_size": 64,
}
TOY_PIXELCNN = {
    "model": {"image_shape": [8, 8, 3], "filters": 12, "layers": 3, "hidden": 12},
    "batch_size": 4,
}
#: Karras et al. 2020, arXiv 1912.04958: the block of the generator that makes 128 x 128 of 64 x 64.
MODULATED = {"size": 64, "inputs": 512, "outputs": 256, "latent_dim": 512, "batch_size": 64}
TOY_MODULATED = {"size": 8, "inputs": 16, "outputs": 8, "latent_dim": 16, "batch_size": 2}

#: In the order in which they are measured.
COMPARISONS = {
    "gpt2_124m_train": Comparison("training:Training", "gpt2:Training", GPT2, TOY_GPT2),
    "ddpm_32_train": Comparison("training:Training", "ddpm:Training", DDPM, TOY_DDPM),
    "modulated_block_128": Comparison(
        "modulated:Block", "modulated:Contender", MODULATED, TOY_MODULATED, most=64
    ),
    "gated_pixelcnn_32_train": Comparison(
        "training:Training", "gated_pixelcnn:Training", PIXELCNN, TOY_PIXELCNN
    ),
    "ddpm_32_sample": Comparison(
        "sampling:Sampling",
        "ddpm:Sampling",
        {**DDPM, "options": {"sampler": "ddim", "steps": 50}},
        {**TOY_DDPM, "options": {"sampler": "ddim", "steps": 3}},
        most=1,
    ),
    "gpt2_124m_sample": Comparison(
        "sampling:Sampling",
        "gpt2:Sampling",
        {**GPT2, "batch_size": 64, "options": {"length": 1025}},
        {**TOY_GPT2, "options": {"length": 17}},
        most=1,
    ),
}
#: Side of the square matrices whose product shows what the card can do.
MATRIX = Comparison("matmul:Product", "matmul:Product", {"side": 8192}, {"side": 64}, most=1024)


def case(comparison: Comparison, *, toy: bool = False, scale: float = 1.0) -> dict[str, Any]:
    """The case of a comparison, its data written.

    Args:
        comparison: One of the above.
        toy: At the smallest size.
        scale: Multiplies the batch size.
    """
    made = _merged(comparison.case, comparison.toy if toy else {})
    if "batch_size" in made:
        made["batch_size"] = max(1, round(scale * made["batch_size"]))
    if "system" not in made:
        return made
    model = dict(made["model"])
    if "vocabulary" in model:
        window = model["context"] + 1
        folder = write("tokens", (), model["vocabulary"], window * made["batch_size"] * 16)
        model["vocabulary"] = vocabulary(model["vocabulary"])
    else:
        folder = write("image", model["image_shape"], model["levels"], made["batch_size"] * 16)
    name = "tokens" if "vocabulary" in model else "image"
    return made | {
        "model": model,
        "batches": 1,
        "levels": model.get("levels"),
        "data": str(folder),
        "fields": {name: str(folder / f"train_{name}.npy")},
    }


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    model = {"model": {**base["model"], **changes.get("model", {})}} if "model" in base else {}
    return {**base, **changes, **model}
