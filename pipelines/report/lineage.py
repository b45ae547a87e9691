"""Where the numbers come from: data, extractor, weights and scores, each with its hash."""

from dataclasses import dataclass
from pathlib import Path

from pipelines.report.inputs import System
from pipelines.settings import NOTHING
from pipelines.tracking.revision import locked_outputs


@dataclass(frozen=True)
class Link:
    """One link of the chain.

    Attributes:
        title: What it is.
        path: Its file or folder in the project.
        facts: What there is to say of it, as (name, value).
    """

    title: str
    path: str
    facts: tuple[tuple[str, str], ...]


def locked_hashes(root: Path) -> dict[str, str]:
    """The hash of every output that `dvc.lock` knows; empty where there is no readable lock."""
    return {path: md5 for path, md5 in locked_outputs(root) if isinstance(md5, str)}


def chain(system: System, hashes: dict[str, str]) -> list[Link]:
    """The chain from the data set to the scores.

    Args:
        system: An evaluated system.
        hashes: What `locked_hashes` returns.
    """
    links = [_data(system, hashes)]
    metrics, training = system.metrics, system.training
    if metrics.extractor.sha256:
        links.append(
            _link(
                "Extractor",
                f"extractors/{metrics.data}",
                hashes,
                ("weights, SHA-256", metrics.extractor.sha256),
            )
        )
    if system.settings.uses != NOTHING:
        links.append(
            _link("First stage", f"models/{system.settings.uses}/model.weights.h5", hashes)
        )
    revision = training.git_revision
    if revision and training.git_dirty:
        revision += " and changes that were not committed"
    links.append(
        _link(
            "Trained weights",
            f"models/{system.key}/model.weights.h5",
            hashes,
            ("git revision", revision),
            ("DVC experiment", training.experiment),
            ("backend", _on(training.backend, training.device)),
            ("MLflow run", training.run_id),
        )
    )
    timing = system.timing
    links.append(
        _link(
            "Scores",
            f"reports/{system.key}/scores.json",
            hashes,
            ("evaluated", timing.finished),
            ("backend", _on(timing.backend, timing.device)),
            ("samples a second", f"{timing.samples_per_second:,.1f}"),
        )
    )
    return links


def _data(system: System, hashes: dict[str, str]) -> Link:
    metrics, info = system.metrics, system.dataset or {}
    splits = info.get("splits")
    counts = None
    if isinstance(splits, dict):
        counts = ", ".join(f"{count:,} {split}" for split, count in splits.items())
    return _link(
        "Data set",
        f"data/{metrics.data}",
        hashes,
        ("source", info.get("source")),
        ("version", info.get("version")),
        ("splits", counts),
        (f"{metrics.split} split, SHA-256", metrics.data_checksum),
    )


def _link(title: str, path: str, hashes: dict[str, str], *facts: tuple[str, str | None]) -> Link:
    known = [(name, str(value)) for name, value in facts if value]
    known.append(("DVC, MD5", hashes.get(path, "not in dvc.lock")))
    return Link(title, path, tuple(known))


def _on(backend: str | None, device: str | None) -> str | None:
    return f"{backend} on {device}" if backend and device else backend
