"""The truncation curve of a trained BigGAN: `python -m benchmarks.truncation PROJECT KEY PAGE`.

A lower threshold should give better samples (precision) and less varied ones (recall); the page says whether it does,
with the moving averages of the training and with statistics measured anew at the threshold. PROJECT is a folder in which
`dvc repro evaluate@KEY` has run.
"""

import argparse
from pathlib import Path

import numpy as np

from gm_keras.core import io
from gm_keras.data import PreparedData
from gm_keras.metrics import density_coverage, frechet_distance, precision_recall
from gm_keras.metrics.evaluation import Evaluation
from gm_keras.metrics.features import Extractor, load_extractor
from pipelines.settings import load_settings

THRESHOLDS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, None)
#: Samples on which the statistics are measured; 0 takes the moving averages.
STANDING = (0, 500)
HEADS = (
    "threshold",
    "standing statistics",
    "Fréchet distance ↓",
    "precision ↑",
    "recall ↑",
    "density ↑",
    "coverage ↑",
)


def main() -> None:
    """Samples, measures, and writes the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("project", type=Path)
    parser.add_argument("key")
    parser.add_argument("page", type=Path)
    parser.add_argument("--samples", type=int, default=1000)
    options = parser.parse_args()
    settings = load_settings(options.project / "params.yaml")
    system = settings.system(options.key)
    model = io.load(options.project / "models" / options.key)
    data = PreparedData(options.project / "data" / system.data)
    extractor = load_extractor(data, options.project / "extractors" / system.data)
    rows = [HEADS, ["---"] * len(HEADS)]
    for standing in STANDING:
        for threshold in THRESHOLDS:
            given = {"truncation": threshold, "standing_statistics": standing}
            rows.append(_row(model, data, extractor, options.samples, settings.seed, given))
            print(*rows[-1], sep="  ", flush=True)
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    options.page.write_text(
        f"# Truncation of BigGAN: {system.data}\n\n"
        "<!-- Written by `python -m benchmarks.truncation` from a finished run. Do not edit. -->\n\n"
        f"{table}\n\n{options.samples} samples of one model, each row from the same seed, against the test set, in the "
        f"features of the {extractor.kind}. Standard errors behind ±.\n",
        encoding="utf-8",
    )


def _row(
    model: io.GenerativeModel,
    data: PreparedData,
    extractor: Extractor,
    n: int,
    seed: int,
    given: dict[str, float | int | None],
) -> list[str]:
    evaluation = Evaluation(model, data, extractor, None, seed)
    label = np.resize(evaluation.test.conditions(slice(None))["label"], n)
    evaluation.samples = model.sample(n, seed=seed, label=label, **given)
    (real, _), (generated, _) = evaluation.real, evaluation.generated
    distance = frechet_distance(real, generated)
    shares = (*precision_recall(real, generated), *density_coverage(real, generated))
    threshold = "none" if given["truncation"] is None else f"{given['truncation']:g}"
    return [
        threshold,
        str(given["standing_statistics"] or "moving averages"),
        f"{distance:.1f} ± {distance.stderr:.1f}",
        *(f"{share:.3f} ± {share.stderr:.3f}" for share in shares),
    ]


if __name__ == "__main__":
    main()
