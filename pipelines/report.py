"""`python -m pipelines.report`: one self-contained page with every system that was evaluated."""

import base64
import csv
import sys
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from PIL import Image

from pipelines import catalog, errors
from pipelines.files import read_json, replacing
from pipelines.settings import Settings, load_settings, project_root

# How the scores are called on the page, and what they mean; the order of this table is that of the page.
SCORES = {
    "nll_nats": ("Negative log-likelihood", "nats, lower is better"),
    "elbo_nats": ("Evidence lower bound", "nats, higher is better"),
    "nll_estimate_nats": ("NLL, estimated", "nats, by importance sampling; lower is better"),
    "log_partition_forward_nats": ("log Z, annealed forward", "nats; on average below the truth"),
    "log_partition_reverse_nats": ("log Z, annealed backward", "nats; on average above the truth"),
    "bits_per_dim": ("Bits per dimension", "lower is better"),
    "nats_per_token": ("NLL of a token", "nats, lower is better"),
    "code_nll_nats": ("NLL of the codes", "nats; with the reconstruction the bound above"),
    "reconstruction_nats": ("Reconstruction", "nats of the image given its codes"),
    "perplexity": ("Perplexity of the codes", "how many are used, as if evenly"),
    "l1": ("Mean absolute error", "from 0 to 1, lower is better"),
    "classifier_fid": ("Classifier Fréchet distance", "lower is better; not the Inception FID"),
    "raw_frechet_distance": ("Fréchet distance", "of the data themselves, lower is better"),
    "precision": ("Precision", "share of samples near real data"),
    "recall": ("Recall", "share of real data near samples"),
}


def run() -> None:
    """Writes `reports/index.html`, and `reports/samples.png` with the samples of all systems."""
    settings, root = load_settings(), project_root()
    systems = [
        _system(key, settings, root)
        for key in settings.systems
        if (root / "reports" / key / "metrics.json").is_file()
    ]
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=select_autoescape()
    )
    page = environment.get_template("report.html").render(systems=systems)
    with replacing(root / "reports" / "index.html") as path:
        path.write_text(page, encoding="utf-8")
    with replacing(root / "reports" / "samples.png") as path:
        overview([root / "reports" / each["key"] / "samples.png" for each in systems]).save(path)
    missing = [key for key in settings.systems if key not in {each["key"] for each in systems}]
    for key in missing:
        print(f"{key} is not on the page: evaluate it with: dvc repro evaluate@{key}")
    print(f"{len(systems)} systems on {root / 'reports' / 'index.html'}")


def _system(key: str, settings: Settings, root: Path) -> dict[str, Any]:
    block = settings.systems[key]
    folder = root / "reports" / key
    metrics = read_json(folder / "metrics.json", f"dvc repro evaluate@{key}")
    timing = read_json(folder / "timing.json", f"dvc repro evaluate@{key}")
    record = read_json(root / "models" / key / "run.json", f"dvc repro train@{key}")
    epochs = sorted((folder / "epochs").glob("*.png"))
    return {
        "key": key,
        "recipe": catalog.recipe(block.class_name),
        "data": block.data,
        "samples": picture(folder / "samples.png"),
        "texts": read_json(folder / "samples.json", f"dvc repro evaluate@{key}")["texts"],
        "epochs": [(int(path.stem.split("_")[1]), picture(path)) for path in epochs],
        "scores": scores(metrics),
        "metrics": metrics,
        "curves": curves(folder / "history.csv"),
        "parameters": parameters(block.model_dump(by_alias=True)),
        "run_id": record["run_id"],
        "timing": timing,
    }


def scores(metrics: dict[str, Any]) -> list[dict[str, str]]:
    """The scores of a system as rows: name, value with its standard error, meaning."""
    rows = []
    for name, (title, meaning) in SCORES.items():
        if name in metrics:
            error = metrics.get(f"{name}_stderr")
            value = f"{metrics[name]:.4g}" + (f" ± {error:.2g}" if error is not None else "")
            rows.append({"title": title, "value": value, "meaning": meaning})
    return rows


def parameters(block: dict[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """Flattens settings to rows (dotted name, value)."""
    rows = []
    for name, value in block.items():
        if isinstance(value, dict) and value:
            rows += parameters(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, str(value)))
    return rows


def overview(paths: list[Path], columns: int = 2, height: int = 360, gap: int = 12) -> Image.Image:
    """Puts the samples of all systems on one picture, in the order of `params.yaml`."""
    pictures = []
    for path in paths:
        with Image.open(path) as opened:
            width = round(opened.width * height / opened.height)
            pictures.append(opened.convert("RGB").resize((width, height), Image.Resampling.BOX))
    rows = [pictures[start : start + columns] for start in range(0, len(pictures), columns)]
    width = max((sum(each.width + gap for each in row) for row in rows), default=gap) - gap
    page = Image.new("RGB", (max(width, 1), max(len(rows) * (height + gap) - gap, 1)), "white")
    for number, row in enumerate(rows):
        left = 0
        for each in row:
            page.paste(each, (left, number * (height + gap)))
            left += each.width + gap
    return page


def picture(path: Path) -> str:
    """A PNG as a data address."""
    return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()


def curves(path: Path) -> list[dict[str, Any]]:
    """The curves of a training as polylines in a box of 300 by 100.

    A curve and its validation counterpart share one box.
    """
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    # A curve that belongs to some stages of the training only has no points in the others.
    columns = {
        name: [float(row[name]) for row in rows if row[name]] for name in rows[0] if name != "epoch"
    }
    boxes = []
    for name, values in columns.items():
        if name.startswith("val_"):
            continue
        lines = {"training": values}
        if f"val_{name}" in columns:
            lines["validation"] = columns[f"val_{name}"]
        low = min(min(line) for line in lines.values())
        high = max(max(line) for line in lines.values())
        boxes.append(
            {
                "name": name,
                "low": f"{low:.4g}",
                "high": f"{high:.4g}",
                "last": f"{values[-1]:.4g}",
                "epochs": len(values),
                "lines": {kind: _polyline(line, low, high) for kind, line in lines.items()},
            }
        )
    return boxes


def _polyline(values: list[float], low: float, high: float) -> str:
    scale = (high - low) or 1.0
    step = 300 / max(len(values) - 1, 1)
    return " ".join(
        f"{index * step:.1f},{100 - 100 * (value - low) / scale:.1f}"
        for index, value in enumerate(values)
    )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print("usage: python -m pipelines.report", file=sys.stderr)
        raise SystemExit(2)
    errors.main(run)
